"""There is no room left, on a small disk of the test's own: nothing is lost, and no vendor is asked for nothing."""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.fetcher.app import build
from services.fetcher.settings import Settings
from shared.errors import Unavailable
from shared.events.catalogue import FETCH_REQUESTED, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.payloads import Processing
from shared.events.tasks import Call, FetchRequested
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.payloads.folder import SMALL_BYTES
from shared.payloads.store import PayloadStore
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.site import Site
from tests.integration.shared.shells import Seen, order, shell
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

pytestmark = pytest.mark.chaos

DISK_BYTES = 1024**2
IN_FLIGHT, CALLS = 4, 20


class Disk:
    """A small file system, and what fills it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    def fill(self) -> None:
        """Use up all room that is left."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    continue
            except OSError:
                return

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()

    def files(self) -> list[Path]:
        """What others have left on it."""
        return [path for path in self.place.rglob("*") if path.is_file() and path != self._filler]


@pytest.fixture
def disk() -> Iterator[Disk]:
    # Where Postgres, which may be another user, finds its way to.
    place = Path(tempfile.mkdtemp(prefix="sluice-disk-"))
    place.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "sluice-test", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        place.rmdir()
        pytest.skip("file systems cannot be mounted here")
    yield Disk(place)
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    place.rmdir()


async def pieces(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield bytes(DISK_BYTES // 4)


async def test_a_payload_that_does_not_fit_leaves_nothing_behind(disk: Disk) -> None:
    """Half a file that stays would keep the disk full for good."""
    store, job = PayloadStore(disk.place.as_uri()), new_id()
    whole = await store.put(job, "1-0", b"here", media_type="text/plain")
    disk.fill()
    for name, body in (
        ("2-0", bytes(5000)),
        ("3-0", bytes(SMALL_BYTES + 1)),
        ("4-0", pieces(1)),
        ("5-0", pieces(60)),
    ):
        with pytest.raises(Unavailable):
            await store.put(job, name, body, media_type="text/plain")
        assert [path.name for path in disk.files()] == ["1-0"], name
    disk.free()
    await store.put(job, "2-0", bytes(5000), media_type="text/plain")
    assert await store.get(whole) == b"here"


async def test_answers_are_held_until_there_is_room_and_no_vendor_is_asked_twice(
    topics: Place, producer: Producer, reader_for: ReaderFor, disk: Disk
) -> None:
    stored, dead = await reader_for("payloads.stored"), await reader_for("fetcher.dead")
    site = Site()
    await site.open()
    document = {"vendor": "v", "base_url": site.url, "network": {"private_addresses": "allow"}}
    vendor = Vendor.model_validate({**document, "budget": {"in_flight": IN_FLIGHT}})
    disk.fill()
    async with running("fetcher", Settings, build, topics, disk.place):
        await producer.send([outgoing(VENDORS, "v", VendorConfigured(vendor=vendor))])
        for number in range(CALLS):
            place = {"task_id": new_id(), "job_id": new_id(), "number": number}
            wanted = FetchRequested(**place, vendor="v", call=Call(), processing=Processing(source="s"))
            await producer.send([outgoing(FETCH_REQUESTED, wanted.task_id, wanted)])
        await eventually(lambda: REGISTRY.get_sample_value("sluice_answers_held") == IN_FLIGHT, 30)
        assert not stored.records
        disk.free()
        await eventually(lambda: len(stored.values) == CALLS, 30)
    await site.close()
    assert len(site.heads) == CALLS
    assert sorted(path.name for path in disk.files()) == sorted(f"{number}-0-0-1" for number in range(CALLS))
    assert not dead.records


@asynccontextmanager
async def ledger_on(disk: Disk, place: Place) -> AsyncIterator[None]:
    """The planner's ledger lies on this disk."""
    owner = await asyncpg.connect(place.owner_url())
    there = os.stat(await owner.fetchval("SHOW data_directory"))
    folder = disk.place / "postgres"
    folder.mkdir()
    os.chown(folder, there.st_uid, there.st_gid)
    await owner.execute(f"CREATE TABLESPACE {place.database} LOCATION '{folder}'")
    await owner.execute(f"ALTER TABLE planner.ledger SET TABLESPACE {place.database}")
    try:
        yield
    finally:
        await owner.execute("ALTER TABLE planner.ledger SET TABLESPACE pg_default")
        await owner.execute(f"DROP TABLESPACE {place.database}")
        await owner.close()


async def test_a_database_that_is_full_is_waited_for(
    topics: Place, producer: Producer, reader_for: ReaderFor, database_for: DatabaseFor, disk: Disk
) -> None:
    """As one that is away: no attempt, no dead letter, and everything is done when there is room."""
    database, seen, jobs = await database_for("planner"), Seen(), [new_id() for _ in range(500)]
    dead, retries = await reader_for("planner.dead"), await reader_for("planner.retry")
    async with ledger_on(disk, topics), shell(seen, topics, database, producer) as subscriptions:
        disk.fill()
        await producer.send([order(job) for job in jobs])
        await eventually(lambda: subscriptions.states()[0]["waiting"], 30)
        assert not seen.jobs
        disk.free()
        await eventually(lambda: sorted(seen.jobs) == sorted(jobs), 30)
        await eventually(lambda: not subscriptions.states()[0]["waiting"], 30)
    assert not dead.records
    assert not retries.records
