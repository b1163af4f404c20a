"""webhooks.received → jobs.requested. The job has the webhook's id: a webhook starts one job, however often it comes,
and one id leads from the request to the last row."""

import asyncio
from collections.abc import Mapping, Sequence

from services.planner.configuration_lag import look_again
from services.planner.room import Room
from services.planner.start import store
from services.planner.start.decide import Passed, Started, Unusable, start
from shared.database.pool import Transaction
from shared.events.catalogue import JOBS_REQUESTED
from shared.events.envelope import Incoming
from shared.events.jobs import JobRequested
from shared.events.webhooks import WebhookReceived
from shared.ids import derived_id
from shared.messaging.handler import Outgoing, Refuse, Result, outgoing
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic
from shared.specification.hook import Hook

log = get_logger(__name__)


async def start_jobs(tx: Transaction, batch: Sequence[Incoming[WebhookReceived]]) -> list[Result]:
    """Ask for a job for each webhook that starts one. Expressions are evaluated in a thread, since those of one hook
    may take seconds.

    Raises:
        TooMuchAtOnce: as `Room.check_seconds`.
    """
    hooks = await store.find_hooks(tx, {incoming.event.hook for incoming in batch})
    return await asyncio.to_thread(_results, batch, hooks)


def _results(batch: Sequence[Incoming[WebhookReceived]], hooks: Mapping[str, Hook | None]) -> list[Result]:
    room, began = Room(len(batch)), monotonic()
    results: list[Result | None] = []
    for incoming in batch:
        room.check_seconds(monotonic() - began)
        name = incoming.event.hook
        results.append(_result(hooks[name], incoming) if name in hooks else _unknown(incoming))
    return [result for result in results if result is not None]


def _result(hook: Hook | None, incoming: Incoming[WebhookReceived]) -> Result | None:
    webhook = incoming.event
    if hook is None:
        problem = f"this release cannot read the hook {webhook.hook}, which an older one wrote down; apply it again"
        return Refuse(incoming, "config_missing", problem)
    if hook.start is None:
        return None
    match start(hook.start, webhook):
        case Passed():
            return None
        case Unusable(problem):
            return Refuse(incoming, "expression_failed", f"hook {hook.hook}: {problem}")
        case Started(document):
            log.info("webhook.starts", hook=hook.hook, webhook_id=str(webhook.webhook_id), source=hook.start.source)
            return _request(webhook, document)


def _unknown(incoming: Incoming[WebhookReceived]) -> Result:
    """The hook may be on its way; if it was deleted, what came for it is put aside, not dropped."""
    refusal = Refuse(incoming, "config_missing", f"no hook is called {incoming.event.hook}")
    return look_again(incoming) or refusal


def _request(webhook: WebhookReceived, document: dict[str, object]) -> Outgoing:
    job_id = webhook.webhook_id
    event = JobRequested.model_validate({**document, "id": job_id})
    return outgoing(JOBS_REQUESTED, job_id, event, id=derived_id("job.requested", job_id))
