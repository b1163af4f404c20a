"""Messages of calls → the broker: together while all is well, each for itself while it is not.

They are sent in two waves: changes of tasks, then pointers to payloads, so a page is known before its records are. The
second wave of a call is sent after the broker has acknowledged its first.

A topic or partition may take nothing, for want of a leader say. Then the messages of other calls are sent all the same.
Those that it did not take are sent again together with the rest of their call; consumers drop what they had already.
"""

from collections.abc import Sequence

from services.fetcher.model import Unsent
from shared.errors import Unavailable
from shared.events.catalogue import PAYLOADS_STORED
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.messaging.resting import Resting
from shared.messaging.sent import Sent
from shared.observability.logs import get_logger

_TOGETHER_SECONDS, _EACH_SECONDS = 5.0, 2.0
"""How long the broker is waited for: each wave, or each partition that does not rest."""

log = get_logger(__name__)


class Sender:
    """Sends the messages of calls. It remembers which partitions took nothing."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._resting = Resting()

    async def send(self, calls: Sequence[Unsent]) -> Sequence[Unsent]:
        """Produce the messages of these calls; gives the calls of which the broker has all messages.

        Raises:
            Unavailable: it acknowledged none, although not all of them are for partitions that took nothing before.
        """
        if self._resting.is_empty and await self._send_together(calls):
            return calls
        return await self._send_each(calls)

    async def _send_together(self, calls: Sequence[Unsent]) -> bool:
        """Whether the broker has them all."""
        waves = [split(one.messages) for one in calls]
        try:
            for number in range(2):
                messages = [message for wave in waves for message in wave[number]]
                await self._producer.send(messages, within_seconds=_TOGETHER_SECONDS)
        except Unavailable as error:
            log.warning("outcomes.not_sent_together", count=len(calls), error=str(error))
            return False
        return True

    async def _send_each(self, calls: Sequence[Unsent]) -> Sequence[Unsent]:
        left, sent = list(calls), list[Sent[int]]()
        for number in range(2):
            pairs = [(index, message) for index, one in enumerate(left) for message in split(one.messages)[number]]
            sent.append(await self._producer.send_each(pairs, within_seconds=_EACH_SECONDS, resting=self._resting))
            missed = set(sent[-1].missed)
            left = [one for index, one in enumerate(left) if index not in missed]
        outcomes = tuple(outcome for wave in sent for outcome in wave.outcomes)
        Sent(outcomes, all(wave.all_in_doubt for wave in sent)).raise_if_none("messages of calls")
        return left


def split(messages: Sequence[Outgoing]) -> tuple[Sequence[Outgoing], Sequence[Outgoing]]:
    """The messages before the first pointer to a payload, which must be visible first, and the others."""
    for index, message in enumerate(messages):
        if message.topic == PAYLOADS_STORED.name:
            return messages[:index], messages[index:]
    return messages, ()
