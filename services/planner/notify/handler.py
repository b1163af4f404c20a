"""notifications → jobs.requested."""

from collections.abc import Iterator, Sequence

from shared.database.pool import Transaction
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.envelope import Incoming
from shared.events.jobs import JobRequested
from shared.events.webhooks import Notification
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, Result, outgoing


async def deliver_notifications(_tx: Transaction, batch: Sequence[Incoming[Notification]]) -> list[Result]:
    """Ask for the jobs that carry a notification out. Their ids are derived, so the same one is delivered once."""
    return [message for incoming in batch for message in _jobs(incoming)]


def _jobs(incoming: Incoming[Notification]) -> Iterator[Outgoing]:
    event = incoming.event
    for number, webhook in enumerate(event.webhooks):
        job_id = derived_id("delivery", incoming.id, number)
        document = {"id": str(job_id), "deliver": webhook.webhook, "event": event.event}
        document |= {"secret": webhook.secret} if webhook.secret else {}
        document |= {"vendor": webhook.vendor} if webhook.vendor else {}
        requested = JobRequested.model_validate(document)
        yield outgoing(JOBS_REQUESTED, job_id, requested, id=derived_id("job.requested", job_id), at=event.at)
