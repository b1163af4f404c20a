"""An invocation in the planner alone: what is told before the submit goes out, and what follows from what is heard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.planner.app import build
from services.planner.model import Resolved
from services.planner.release import store
from services.planner.release.loop import Release
from services.planner.settings import Settings
from shared.errors import Unavailable
from shared.events.callbacks import TaskDue
from shared.events.catalogue import JOBS_CONTROL, TASKS_DUE, TASKS_EVENTS
from shared.events.jobs import JobControl
from shared.events.tasks import Attempt, Facts, TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from shared.specification.invoke import Invoke
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.planner.invocations import INVOKE, released
from tests.integration.planner.plans import plan
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place


def told(call: dict[str, Any], state: TaskState, service: str = "fetcher", **more: Any) -> Outgoing:
    place = {name: call[name] for name in ("task_id", "job_id", "number")}
    event = TaskChanged(**{**place, "at": datetime.now(UTC), **more}, state=state, service=service)
    return outgoing(TASKS_EVENTS, call["job_id"], event)


def due(call: dict[str, Any], kind: Any, **more: Any) -> Outgoing:
    fields = {"due_at": datetime.now(UTC), **more}
    event = TaskDue(task_id=call["task_id"], job_id=call["job_id"], round=0, kind=kind, **fields)
    return outgoing(TASKS_DUE, call["job_id"], event)


@contextmanager
def refusing(topic: str, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broker takes what is sent to other topics, and nothing that is sent to this one."""
    send = producer.send

    async def send_to_others(messages: Sequence[Outgoing], **more: Any) -> None:
        await send([message for message in messages if message.topic != topic], **more)
        if any(message.topic == topic for message in messages):
            raise Unavailable(f"Kafka: no leader of {topic}")

    with monkeypatch.context() as patched:
        patched.setattr(producer, "send", send_to_others)
        yield


async def test_a_submit_goes_out_after_what_waits_for_it_and_as_one_event_however_often(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    database_for: DatabaseFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A planner that dies before it has written down what it released releases it again."""
    told = {name: await reader_for(name) for name in ("callbacks.expected", "timers.requested", "fetch.requested")}
    database = await database_for("planner")
    settings = topics.settings(Settings, payloads)
    release = Release(Runtime(settings, database, producer, PayloadStore("memory://")))
    specification = Resolved(vendor="acme", source="reports", invoke=Invoke.model_validate(INVOKE))
    document = specification.model_dump_json(by_alias=True, exclude_defaults=True).encode()
    await plan(database, 1)
    await database.execute("UPDATE jobs SET specification = $1", document)
    await database.execute("UPDATE tasks SET purpose = 'submit'")
    for topic in ("callbacks.expected", "timers.requested"):
        with refusing(topic, producer, monkeypatch), pytest.raises(Unavailable, match=topic):
            await release.step()

    async def die(*_: object) -> None:
        raise Unavailable("the process died")

    with monkeypatch.context() as patched:
        patched.setattr(store, "mark_released", die)
        with pytest.raises(Unavailable, match="died"):
            await release.step()
    await release.step()
    assert await release.step() > 0
    counts = {"callbacks.expected": 3, "timers.requested": 3, "fetch.requested": 2}
    await eventually(lambda: all(len(told[name].records) >= count for name, count in counts.items()))
    ids = {name: [dict(record.headers)["ce_id"] for record in reader.records] for name, reader in told.items()}
    assert {name: (len(found), len(set(found))) for name, found in ids.items()} == {
        name: (count, 1) for name, count in counts.items()
    }


async def test_a_vendor_job_from_submit_to_results(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    fetches, expected = await reader_for("fetch.requested"), await reader_for("callbacks.expected")
    timers, jobs = await reader_for("timers.requested"), await reader_for("jobs.events")
    async with running("planner", Settings, build, topics, payloads):
        job_id = new_id()
        first, second = await released(producer, await database_for("planner"), fetches, job_id)
        assert (first["purpose"], first["call"]["body"]) == ("submit", {"m": "a", "url": "{callback.url}"})
        await eventually(lambda: len(expected.values) == 2 and len(timers.values) == 2)
        assert {one["task_id"] for one in expected.values} == {first["task_id"], second["task_id"]}
        assert {one["deadline_at"] for one in expected.values} == {timer["due_at"] for timer in timers.values}

        done = told(first, TaskState.WAITING, "callback-gateway", reported="done")
        await producer.send([done, done, told(first, TaskState.WAITING, purpose="submit", vendor_job="r1")])
        [page] = await eventually(lambda: [one for one in fetches.values if one["purpose"] == "page"], 20)
        assert (page["call"]["path"], page["number"], page["facts"]["next"]) == ("/reports/r1/rows", 2, "body.next")
        await producer.send([told(page, TaskState.STORED, facts=Facts(items=1, next="x", digest="1"))])
        await eventually(lambda: len(fetches.of_type("page", "purpose")) == 2, 20)
        following = fetches.of_type("page", "purpose")[1]
        assert following["call"] == {**page["call"], "query": {"cursor": "x"}}

        await producer.send([told(second, TaskState.DEAD, reason="refused_422: no")])
        await producer.send([told(following, TaskState.STORED, facts=Facts(items=1))])
        for one in (page, following):
            await producer.send([told(one, TaskState.COMPLETED, "processor", records=1, distinct=1)])
        [ended] = await eventually(lambda: [one for one in jobs.values if one["type"] == "job.ended"], 20)
        assert (ended["state"], ended["reason"]) == ("failed", "1 of 4 tasks failed")
        over = {one["task_id"] for one in expected.values if one["over"]}
        assert over == {first["task_id"], second["task_id"]}


async def test_when_a_submit_left_is_told_with_the_vendors_id(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    """What a vendor said before is of another job under the same id."""
    fetches, expected = await reader_for("fetch.requested"), await reader_for("callbacks.expected")
    async with running("planner", Settings, build, topics, payloads):
        first, _ = await released(producer, await database_for("planner"), fetches, new_id())
        left_at = datetime(2026, 1, 1, tzinfo=UTC)
        attempt = Attempt(attempt=2, started_at=left_at, seconds=0.5, verdict="success")
        await producer.send([told(first, TaskState.WAITING, purpose="submit", vendor_job="r1", attempt=attempt)])
        [named] = await eventually(lambda: [one for one in expected.values if one.get("vendor_job")])
        assert datetime.fromisoformat(named["submitted_at"]) == left_at


async def test_a_callback_that_an_outage_held_up_beyond_the_deadline_still_counts(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    """The timers come first: the callback is in the gateway's spool, and is matched before the planner hears of it."""
    fetches, expected = await reader_for("fetch.requested"), await reader_for("callbacks.expected")
    timers = await reader_for("timers.requested")
    async with running("planner", Settings, build, topics, payloads):
        first, _ = await released(producer, await database_for("planner"), fetches, new_id())
        due_at = datetime.now(UTC) - timedelta(minutes=1)
        answer = told(first, TaskState.WAITING, purpose="submit", vendor_job="r1", at=due_at - timedelta(hours=1))
        await producer.send([answer])
        await eventually(lambda: [one for one in expected.values if one.get("vendor_job")], 20)
        await producer.send([due(first, kind, due_at=due_at) for kind in ("deadline", "heartbeat")])

        def in_grace() -> set[str]:
            set_again = [value for one in timers.values if (value := orjson.loads(one["value"]))["in_grace"]]
            return {one["kind"] for one in set_again if datetime.fromisoformat(one["due_at"]) > datetime.now(UTC)}

        await eventually(lambda: in_grace() == {"deadline", "heartbeat"}, 20)
        await producer.send([told(first, TaskState.WAITING, "callback-gateway", reported="done")])
        await eventually(lambda: fetches.of_type("page", "purpose"), 20)
        assert fetches.of_type("abort", "purpose") == []


async def test_a_deadline_and_a_cancellation_end_the_vendors_jobs(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, database_for: DatabaseFor
) -> None:
    fetches, events = await reader_for("fetch.requested"), await reader_for("tasks.events")
    async with running("planner", Settings, build, topics, payloads):
        job_id = new_id()
        first, second = await released(producer, await database_for("planner"), fetches, job_id)
        await producer.send(
            [told(one, TaskState.WAITING, purpose="submit", vendor_job=f"r{one['number']}") for one in (first, second)]
        )
        await producer.send([due(first, "heartbeat"), due(first, "deadline")])
        await eventually(lambda: [one for one in events.values if one["state"] == "expired"], 20)
        await producer.send([outgoing(JOBS_CONTROL, job_id, JobControl(job_id=job_id, action="cancel"))])

        def aborted() -> list[str]:
            paths = sorted(one["call"]["path"] for one in fetches.of_type("abort", "purpose"))
            return paths if len(paths) == 2 else []

        assert await eventually(aborted, 20) == ["/reports/r0", "/reports/r1"]

        def ends() -> list[str]:
            return sorted(one["state"] for one in events.values if one["state"] in ("expired", "cancelled"))

        assert await eventually(lambda: ends() if len(ends()) == 2 else []) == ["cancelled", "expired"]
        assert orjson.loads(fetches.records[-1].value)["call"]["method"] == "DELETE"
