"""An operator's tool: pass over a batch that cannot be read, where neither codec nor disk can be mended.

    python -m services.skip GROUP TOPIC PARTITION OFFSET

What to give is what `/readyz` shows under `unreadable`. Stop the group's processes first. Reads
`SLUICE_KAFKA_BOOTSTRAP_SERVERS`.
"""

import asyncio
import sys

from shared.errors import SluiceError
from shared.messaging.skip import skip
from shared.runtime.settings import ServiceSettings, read_settings


def main() -> None:
    """Exit code 0 when records were passed over, 1 when nothing was changed, 2 for wrong usage."""
    try:
        group, topic, partition, offset = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    except (IndexError, ValueError):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        brokers = read_settings(ServiceSettings).brokers
        after = asyncio.run(skip(brokers, group, topic, partition, offset))
    except SluiceError as error:
        sys.exit(str(error))
    print(f"{group} goes on at {after} of {topic} {partition}; {after - offset} offset(s) were passed over")


if __name__ == "__main__":
    main()
