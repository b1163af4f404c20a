"""Whatever is on the topics of times: it is put aside with its reason, and what is good fires."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from services.scheduler.app import build
from services.scheduler.settings import Settings
from shared.events.catalogue import DEAD, SCHEDULES_REQUESTED, TIMERS_REQUESTED
from shared.events.timers import TimerRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing, outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import ReaderFor
from tests.support.eventually import eventually
from tests.support.letters import reasons
from tests.support.running import running
from tests.support.stack import Place

START = {"url": "https://api.example/items"}
FAR = (utc_now() + timedelta(days=36_525)).isoformat()


def schedule(**fields: Any) -> bytes:
    return orjson.dumps({"schedule": {"start": START, **fields}})


def asked(at: str) -> bytes:
    return orjson.dumps({"schedule": {"start": START, "schedule": "asked", "every": "1h"}, "asked_at": at})


def timer(**fields: Any) -> bytes:
    wanted = {"timer_id": str(new_id()), "due_at": utc_now(), "topic": "jobs.control", "key": "k", "value": "{}"}
    return orjson.dumps({"type": "timer.requested", **wanted, **fields})


def retry(**fields: Any) -> bytes:
    original = {"topic": "sluice.jobs.control", "partition": 0, "offset": 0, "timestamp": utc_now(), "headers": []}
    wanted = {"service": "planner", "group": "g", "event_id": str(new_id()), "delivery": 1, "not_before": utc_now()}
    about = {"type": "retry.requested", "reason": "bug", **wanted, **fields}
    return orjson.dumps({**about, "original": {**original, **fields.get("original", {})}})


PUT_ASIDE: dict[str, dict[str, tuple[bytes, str]]] = {
    "schedules.requested": {
        "nothing": (b"", "empty"),
        "cut": (schedule(every="1h")[:-1], "undecodable"),
        "a list": (b"[]", "schema_invalid"),
        "no schedule": (b"{}", "schema_invalid"),
        "an id that is none": (b'{"schedule_id":"x"}', "schema_invalid"),
        "an unknown action": (b'{"action":"explode"}', "schema_invalid"),
        "a schedule that is a text": (b'{"schedule":"x"}', "schema_invalid"),
        "a time that is over": (schedule(triggerAt="2020-01-01T00:00:00Z"), "schema_invalid"),
        "a time in a hundred years": (schedule(triggerAt=FAR), "schema_invalid"),
        "a time without an offset": (schedule(triggerAt="2027-01-01T00:00:00"), "schema_invalid"),
        "a day that is none": (schedule(triggerAt="2027-02-30T00:00:00Z"), "schema_invalid"),
        "a leap second": (schedule(triggerAt="2027-06-30T23:59:60Z"), "schema_invalid"),
        "a start in the first year": (schedule(every="1h", starts="0001-01-01T00:00:00+23:59"), "schema_invalid"),
        "a start in the last year": (schedule(every="1h", starts="9999-12-31T23:59:59-23:59"), "schema_invalid"),
        "an interval beyond all bounds": (schedule(every="9" * 40 + "d"), "schema_invalid"),
        "asked for without an offset": (asked("2026-01-01T00:00:00"), "schema_invalid"),
        "six fields": (schedule(cron="* * * * * *"), "schema_invalid"),
        "a day that never comes": (schedule(cron="0 0 31 2 *"), "schema_invalid"),
        "a zone that leads elsewhere": (schedule(cron="0 3 * * *", zone="../../etc/passwd"), "schema_invalid"),
        "no finite number": (b'{"schedule":{"every":"1h","start":{"request":{"json":1e999}}}}', "schema_invalid"),
        "no number": (b'{"schedule":{"every":"1h","start":{"request":{"json":NaN}}}}', "schema_invalid"),
        "NUL": (schedule(every="1h", start={"source": "a", "parameters": {"x": "\0"}}), "unstorable_value"),
        "a pause of nothing": (b'{"action":"pause"}', "unknown_schedule"),
    },
    "timers.requested": {
        "no time": (timer(due_at=None), "schema_invalid"),
        "a timer without an offset": (timer(due_at="2027-01-01T00:00:00"), "schema_invalid"),
        "a timer in a hundred years": (timer(due_at=FAR), "deadline_exceeded"),
        "a timer in the year 3000": (timer(due_at="3000-01-01T00:00:00Z"), "deadline_exceeded"),
        "a topic that is not there": (timer(topic="no.such"), "schema_invalid"),
    },
    "planner.retry": {
        "a retry in a hundred years": (retry(not_before=FAR), "deadline_exceeded"),
        "a delivery that is a text": (retry(delivery="x"), "schema_invalid"),
        "an original that is no base64": (retry(original={"value": "?"}), "undecodable"),
        "an original of elsewhere": (retry(original={"topic": "elsewhere"}), "schema_invalid"),
    },
}


async def test_each_bad_record_is_put_aside_with_its_reason_and_its_neighbours_fire(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    dead, fired = await reader_for(DEAD["scheduler"].name), await reader_for("jobs.control")
    facts, good = await reader_for("schedules.events"), [str(new_id()) for _ in range(20)]
    async with running("scheduler", Settings, build, topics, payloads):
        for topic, bad in PUT_ASIDE.items():
            await producer.send([Outgoing(topic, what, value, ()) for what, (value, _) in bad.items()])
        for one in good:
            wanted = TimerRequested(timer_id=one, due_at=utc_now(), topic="jobs.control", key="k", value="{}")
            await producer.send([outgoing(TIMERS_REQUESTED, one, wanted)])
        await producer.send([Outgoing(SCHEDULES_REQUESTED.name, "good", schedule(schedule="good", every="1h"), ())])
        expected = {what: reason for bad in PUT_ASIDE.values() for what, (_, reason) in bad.items()}
        await eventually(lambda: len(dead.values) >= len(expected), 40)
        await eventually(lambda: len(fired.records) == len(good), 30)
        await eventually(lambda: [fact.get("name") for fact in facts.of_type("created", "fact")] == ["good"], 30)
    assert reasons(dead) == expected


async def test_timers_and_retries_for_a_time_long_ago_are_sent_at_once(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    fired, original = await reader_for("jobs.control"), {"topic": f"{topics.prefix}.jobs.control"}
    times = ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", -1)
    late = [Outgoing(TIMERS_REQUESTED.name, "k", timer(due_at=at), ()) for at in times]
    late += [Outgoing("planner.retry", "k", retry(not_before=at, original=original), ()) for at in times]
    async with running("scheduler", Settings, build, topics, payloads):
        await producer.send(late)
        await eventually(lambda: len(fired.records) == len(late), 30)


async def test_who_says_that_it_was_asked_for_in_another_age_is_heard_now(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    times = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59")
    facts = await reader_for("schedules.events")
    async with running("scheduler", Settings, build, topics, payloads):
        wanted = [Outgoing(SCHEDULES_REQUESTED.name, at, asked(at), ()) for at in times]
        await producer.send(wanted)
        await eventually(lambda: len(facts.of_type("created", "fact")) == 1, 30)
        await eventually(lambda: len(facts.of_type("changed", "fact")) == 1, 30)
