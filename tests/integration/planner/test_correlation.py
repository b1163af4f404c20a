"""A job's correlation id, in all that the planner sends about the job and its tasks."""

from pathlib import Path
from typing import Any

from services.planner.accept.handler import accept_jobs
from services.planner.app import build
from services.planner.settings import Settings
from shared.events.catalogue import JOBS_CONTROL, TASKS_EVENTS, VENDORS
from shared.events.configuration import VendorConfigured
from shared.events.jobs import JobControl, JobRequested
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.planner.invocations import ACME, INVOKE
from tests.integration.planner.jobs import count_vendors, handled, requested
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

TOPICS = ("jobs.events", "tasks.events", "fetch.requested", "callbacks.expected")


def answered(call: dict[str, Any], vendor_job: str, **more: Any) -> Outgoing:
    """What the fetcher reports of a submit."""
    place = {name: call[name] for name in ("task_id", "job_id", "number", "round")}
    event = TaskChanged(
        **place,
        state=TaskState.WAITING,
        service="fetcher",
        at=utc_now(),
        purpose="submit",
        vendor_job=vendor_job,
        **more,
    )
    return outgoing(TASKS_EVENTS, call["job_id"], event)


async def test_every_event_of_a_task_carries_it_from_its_plan_to_its_end(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    """Of three vendor jobs one is done, so that its results are read, and the others are cancelled."""
    sent = {name: await reader_for(name) for name in TOPICS}
    database = await database_for("planner")
    async with running("planner", Settings, build, topics, payloads):
        await producer.send([outgoing(VENDORS, "acme", VendorConfigured(vendor=ACME))])
        await eventually(lambda: count_vendors(database), 30)
        job_id, correlation_id = new_id(), str(new_id())
        inputs = [{"m": one} for one in "abc"]
        document = {"vendor": "acme", "invoke": INVOKE, "input": inputs, "correlation_id": correlation_id}
        await producer.send([requested(document, job_id)])
        calls = await eventually(lambda: _three(sent["fetch.requested"].of_type("submit", "purpose")), 30)
        await producer.send([answered(calls[0], "r0", reported="done"), answered(calls[1], "r1")])
        await eventually(lambda: sent["fetch.requested"].of_type("page", "purpose"), 30)
        await eventually(
            lambda: [one for one in sent["callbacks.expected"].values if one.get("vendor_job") == "r1"], 30
        )
        await producer.send([outgoing(JOBS_CONTROL, job_id, JobControl(job_id=job_id, action="cancel"))])
        await eventually(lambda: sent["fetch.requested"].of_type("abort", "purpose"), 30)
        await eventually(lambda: _three(sent["tasks.events"].of_type("cancelled", "state")), 30)
    [accepted] = sent["jobs.events"].of_type("job.accepted")
    assert accepted["correlation_id"] == correlation_id
    for name in TOPICS[1:]:
        ours = [one for one in sent[name].values if one.get("service", "planner") == "planner"]
        assert {one.get("correlation_id") for one in ours} == {correlation_id}, name


def _three(found: list[Any]) -> list[Any]:
    return found if len(found) >= 3 else []


async def test_a_job_that_is_rejected_has_it_too(database_for: DatabaseFor) -> None:
    correlation_id = new_id()
    event = JobRequested.model_validate({"id": new_id(), "correlation_id": correlation_id, "url": "no url"})
    [rejected] = await handled(await database_for("planner"), accept_jobs, event)
    assert f'"correlation_id":"{correlation_id}"'.encode() in rejected.value
