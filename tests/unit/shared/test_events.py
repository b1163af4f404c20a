"""Every event survives its own wire form, with its optional fields left out; those of earlier releases and of later
ones are understood."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from shared.errors import Invalid
from shared.events import (
    catalogue,
    configuration,
    dead_letters,
    envelope,
    jobs,
    payloads,
    records,
    schedules,
    tasks,
    timers,
    webhooks,
)
from shared.events.catalogue import JOBS_CONTROL, JOBS_REQUESTED, SCHEDULES_EVENTS, topics
from shared.events.envelope import TRACEPARENT, Event, Incoming, Position, Record
from shared.events.jobs import JobControl, JobRequested
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.decode import Poison, decode
from shared.messaging.handler import outgoing
from shared.specification.parse import decode_json

MODULES = (configuration, dead_letters, envelope, jobs, payloads, records, schedules, tasks, timers, webhooks)
EVENTS = sorted(
    {
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, BaseModel)
    },
    key=lambda found: found.__name__,
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_optional_fields_have_defaults_because_nulls_are_not_sent(event: type[BaseModel]) -> None:
    """Messages leave nulls out, so a field that may be null must have a default to come back from."""
    for name, field in event.model_fields.items():
        takes_null = "None" in str(field.annotation) and _accepts_null(event, name)
        assert not (takes_null and field.is_required()), f"{event.__name__}.{name}"


def _accepts_null(event: type[BaseModel], name: str) -> bool:
    schema: dict[str, Any] = event.model_json_schema()["properties"].get(name, {})
    return any(option.get("type") == "null" for option in schema.get("anyOf", []))


RELEASES = sorted((Path(__file__).parent / "data").glob("events-*.jsonl"))
"""One example of each kind of event, as a release has sent it. Old ones stay: they may still be in a log."""
SENT = [orjson.loads(line) for file in RELEASES for line in file.read_bytes().splitlines()]
TOPICS = {topic.name: topic for topic in topics()}
kept = pytest.mark.parametrize("sent", SENT, ids=lambda sent: f"{sent['topic']}-{sent['type']}")


def read(sent: dict[str, Any]) -> Incoming[Any] | Poison:
    value, key = orjson.dumps(sent["value"]), sent["key"].encode()
    return decode(TOPICS[sent["topic"]], Record(Position("t", 0, 0), key, value, (), datetime(2026, 1, 1, tzinfo=UTC)))


@kept
def test_what_an_earlier_release_has_sent_is_read(sent: dict[str, Any]) -> None:
    assert isinstance(read(sent), Incoming)


@kept
def test_what_a_later_release_adds_is_passed_over_and_the_rest_is_the_same(sent: dict[str, Any]) -> None:
    """Also in parts of the language that an event carries; only what people write is read strictly, and what is kept:
    what a release does not know would be missing in it after the next deployment, too."""
    now, later = read(sent), read({**sent, "value": _with_more(sent["value"], TOPICS[sent["topic"]].is_inner)})
    assert isinstance(now, Incoming) and isinstance(later, Incoming)
    assert _holds(later.event.model_dump(mode="json"), now.event.model_dump(mode="json"))


def test_every_topic_has_an_example() -> None:
    assert {sent["topic"] for sent in SENT} >= {name for name in TOPICS if not name.endswith((".retry", ".dead"))}


def _with_more(value: Any, inside: bool) -> Any:
    match value:
        case dict() if inside:
            return {**{name: _with_more(inner, inside) for name, inner in value.items()}, "a later field": "x"}
        case dict():
            return {**value, "a later field": "x"}
        case list():
            return [_with_more(inner, inside) for inner in value]
        case _:
            return value


def _holds(more: Any, less: Any) -> bool:
    """Whether all of one is in the other: what takes any content keeps what was added."""
    match less:
        case dict():
            return isinstance(more, dict) and all(name in more and _holds(more[name], less[name]) for name in less)
        case list():
            return len(more) == len(less) and all(map(_holds, more, less))
        case _:
            return bool(more == less)


def test_whatever_is_deep_enough_to_be_lost_is_refused_at_the_edge() -> None:
    """Events carry a document some levels deeper than it came; their readers stop where the edge would."""
    taken = [levels for levels in range(140, 210) if _is_taken(levels)]
    assert taken == list(range(140, taken[-1] + 1))
    assert 150 < taken[-1] < 200


def _is_taken(levels: int) -> bool:
    """Whether a document with so many levels is; if so, it comes back out of everything that may be around it."""
    try:
        found = decode_json(b'{"a":' * levels + b"1" + b"}" * levels)
    except Invalid:
        return False
    at = datetime.now(UTC)
    schedule = {"every": "1h", "start": {"vendor": "acme", "request": {"json": found}}}
    for event in (
        webhooks.WebhookReceived(webhook_id=new_id(), hook="acme", body=found, received_at=at),
        schedules.ScheduleRequested(schedule=schedule),
        schedules.ScheduleChanged(schedule_id=new_id(), fact=schedules.ScheduleFact.CREATED, schedule=schedule, at=at),
        jobs.JobAccepted(
            job_id=new_id(), kind="request", vendor="a", source="a", specification={"single": {"json": found}}, at=at
        ),
    ):
        assert type(event).model_validate_json(event.model_dump_json(exclude_none=True)) == event
    return True


def test_the_topic_of_schedules_names_every_fact_that_it_carries() -> None:
    assert set(SCHEDULES_EVENTS.carries.split(", ")) == {fact.value for fact in schedules.ScheduleFact}


def trace_of(topic: Topic[Any], event: Event) -> str:
    return dict(outgoing(topic, "key", event).headers).get(TRACEPARENT, b"").decode()


def test_all_messages_of_a_job_are_of_its_trace_from_the_one_that_asks_for_it() -> None:
    job_id = new_id()
    requested = JobRequested.model_validate({"id": job_id, "source": "acme"})
    for trace in (
        trace_of(JOBS_REQUESTED, requested),
        trace_of(JOBS_CONTROL, JobControl(job_id=job_id, action="pause")),
    ):
        assert trace.startswith(f"00-{job_id.hex}-")
    nameless = JobRequested.model_validate({"source": "acme", "job_id": job_id})
    assert not trace_of(JOBS_REQUESTED, nameless)


def test_a_correlation_id_is_no_part_of_the_specification_and_is_not_sent_where_there_is_none() -> None:
    document = {"source": "acme", "parameters": {"region": "eu"}}
    given = JobRequested.model_validate({**document, "id": str(new_id()), "correlation_id": str(new_id())})
    assert given.correlation_id is not None
    assert given.document == document
    without = outgoing(JOBS_REQUESTED, "key", JobRequested.model_validate(document))
    assert orjson.loads(without.value or b"") == document


def test_what_reads_configuration_is_called_so() -> None:
    """By this the index of the ledger leaves out the rows that are kept for ever."""
    found = [
        (behaviour, getattr(catalogue, topic).is_state)
        for app in Path(__file__).parents[3].glob("services/*/app.py")
        for behaviour, topic in re.findall(r'Consumer\(\s*"([a-z-]+)",\s*([A-Z_]+)', app.read_text("utf-8"))
    ]
    assert len(found) > 20
    assert [behaviour for behaviour, is_state in found if is_state != behaviour.startswith("configure")] == []
