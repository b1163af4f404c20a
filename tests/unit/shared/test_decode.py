"""Records that are no events of their topic, each with the word that its dead letter is grouped by."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from pydantic import BeforeValidator

from shared.events.catalogue import (
    JOBS_CONTROL,
    JOBS_EVENTS,
    JOBS_REQUESTED,
    SCHEDULES_REQUESTED,
    SOURCES,
    TASKS_EVENTS,
    VENDORS,
)
from shared.events.dead_letters import Original
from shared.events.envelope import CE_ID, CE_SOURCE, CE_VERSION, DELIVERY, Incoming, Position, Record, Removed
from shared.events.jobs import JobControl
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.decode import Poison, decode

JOB = b"0190163d-8694-739b-aea5-966c26f8ad90"
PAUSE = b'{"type":"job.control","job_id":"%s","action":"pause"}' % JOB
NOW = datetime(2026, 1, 1, tzinfo=UTC)


Headers = Mapping[str, bytes | None]
NONE: Headers = MappingProxyType({})


def record(value: bytes | None, *, key: bytes | None = JOB, offset: int = 0, headers: Headers = NONE) -> Record:
    return Record(Position("t", 0, offset), key, value, tuple(headers.items()), NOW)


def read(value: bytes | None, headers: Headers = NONE, *, topic: Topic[Any] = JOBS_CONTROL) -> Incoming[Any] | Poison:
    return decode(topic, record(value, headers=headers))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b" ", "undecodable"),
        (b"{", "undecodable"),
        (PAUSE[:-1], "undecodable"),
        (PAUSE + b"x", "undecodable"),
        (b"\xef\xbb\xbf" + PAUSE, "undecodable"),
        (PAUSE.decode().encode("utf-16"), "undecodable"),
        (b"\xff\xfe{}", "undecodable"),
        (b"[" * 10_000, "undecodable"),
        (b'{"a":' * 10_000, "undecodable"),
        (b"[]", "schema_invalid"),
        (b"7", "schema_invalid"),
        (b"null", "schema_invalid"),
        (b'"pause"', "schema_invalid"),
        (b'{"job_id":"%s"}' % JOB, "schema_invalid"),
        (b'{"job_id":5,"action":"pause"}', "schema_invalid"),
        (b'{"job_id":"%s","action":"explode"}' % JOB, "schema_invalid"),
    ],
)
def test_what_is_no_event_has_a_reason(value: bytes | None, reason: str) -> None:
    found = read(value)
    assert isinstance(found, Poison)
    assert found.reason == reason


def test_a_source_with_a_share_beyond_all_bounds_is_refused() -> None:
    value = b'{"source":{"source":"orders","vendor":"acme","poll":{},"tolerate":"1e1000005%"}}'
    found = decode(SOURCES, record(value, key=b"orders"))
    assert isinstance(found, Poison)
    assert found.reason == "schema_invalid"


def test_a_record_that_a_defect_cannot_read_is_put_aside_and_not_its_neighbours() -> None:
    def read_number(value: Any) -> Any:
        raise ZeroDivisionError(str(value))

    topic = replace(JOBS_CONTROL, model=Annotated[JobControl, BeforeValidator(read_number)])
    found = decode(topic, record(PAUSE))
    assert isinstance(found, Poison)
    assert (found.reason, found.error) == ("schema_invalid", "cannot be read: ZeroDivisionError")


def test_an_unknown_type_is_told_as_such() -> None:
    found = read(b'{"type":"job.exploded","job_id":"%s"}' % JOB, topic=JOBS_EVENTS)
    assert isinstance(found, Poison)
    assert found.reason == "unknown_type"


@pytest.mark.parametrize("attempt", [b"-1", b"1000000000000", b'"x"', b"1.5"])
def test_attempts_beyond_all_bounds_are_refused(attempt: bytes) -> None:
    task = b'"task_id":"%s","job_id":"%s","number":0,"state":"retrying","service":"fetcher","at":0' % (JOB, JOB)
    made = b'"started_at":0,"seconds":1,"verdict":"retry"'
    found = [
        read(b'{"attempt":{"attempt":%s,%s},%s}' % (value, made, task), topic=TASKS_EVENTS) for value in (b"1", attempt)
    ]
    assert isinstance(found[0], Incoming)
    assert isinstance(found[1], Poison)
    assert found[1].reason == "schema_invalid"


def test_the_error_tells_no_value() -> None:
    found = read(b'{"job_id":"s3cret","action":"s3cret"}')
    assert isinstance(found, Poison)
    assert "job_id" in found.error
    assert "s3cret" not in found.error


def test_what_a_tombstone_takes_away_has_its_name_as_its_key() -> None:
    value = b'{"vendor":{"vendor":"acme","base_url":"https://a.example"}}'
    assert isinstance(decode(VENDORS, record(value, key=b"acme")), Incoming)
    for key in (b"other", b"", b"\xff", None):
        found = decode(VENDORS, record(value, key=key))
        assert isinstance(found, Poison)
        assert found.reason == "key_mismatch"


@pytest.mark.parametrize("key", [None, b"", b"order-7", b"\xff"])
def test_elsewhere_a_key_says_only_what_stays_in_order(key: bytes | None) -> None:
    assert isinstance(decode(JOBS_CONTROL, record(PAUSE, key=key)), Incoming)


@pytest.mark.parametrize("number", [b"1e999", b"NaN", b"-Infinity"])
def test_numbers_that_json_cannot_hold_are_refused(number: bytes) -> None:
    for topic, value in (
        (JOBS_REQUESTED, b'{"url":"https://a.example","x":{"y":[%s]}}'),
        (SCHEDULES_REQUESTED, b'{"schedule":{"start":{"y":[%s]}}}'),
    ):
        found = read(value % number, topic=topic)
        assert isinstance(found, Poison)
        assert found.reason == "schema_invalid"


def test_a_replay_of_a_job_is_refused_by_name() -> None:
    found = read(b'{"job_id": "%s", "action": "replay"}' % JOB)
    assert isinstance(found, Poison)
    assert "not there yet; sluice replay payloads.stored" in found.error


def test_fields_of_a_later_version_are_no_mistake() -> None:
    assert isinstance(read(PAUSE[:-1] + b',"colour":"red"}'), Incoming)


@pytest.mark.parametrize(
    ("version", "good"), [(b"1.0", True), (b"1.1", True), (b"", True), (b"2.0", False), (b"nonsense", False)]
)
def test_another_major_version_of_the_envelope_is_refused(version: bytes, good: bool) -> None:
    found = read(PAUSE, {CE_VERSION: version})
    assert isinstance(found, Incoming) == good
    assert isinstance(found, Incoming) or found.reason == "unsupported_version"


def test_duplicate_names_keep_the_last_value() -> None:
    found = read(b'{"action":"cancel",' + PAUSE[1:])
    assert isinstance(found, Incoming)
    assert getattr(found.event, "action", None) == "pause"


def test_a_tombstone_is_news_only_where_state_is_kept() -> None:
    found = decode(VENDORS, record(None, key=b"\xffacme"))
    assert isinstance(found, Incoming)
    assert isinstance(found.event, Removed)
    assert isinstance(decode(VENDORS, record(None, key=None)), Poison)


def test_ids_are_taken_or_derived() -> None:
    given = new_id()
    ids = [
        found.id
        for found in (
            read(PAUSE, {CE_ID: str(given).encode()}),
            read(PAUSE, {CE_ID: b"order-7", CE_SOURCE: b"shop"}),
            read(PAUSE, {CE_ID: b"order-7", CE_SOURCE: b"bank"}),
            read(PAUSE, {CE_ID: b"\xff\xfe\x00"}),
            read(PAUSE, {CE_ID: None}),
            decode(JOBS_CONTROL, record(PAUSE, offset=1)),
            decode(JOBS_CONTROL, replace(record(PAUSE), timestamp=NOW + timedelta(milliseconds=1))),
        )
        if isinstance(found, Incoming)
    ]
    assert ids[0] == given
    assert len(set(ids)) == len(ids) == 7
    assert all(isinstance(each, UUID) for each in ids)


def test_the_id_of_a_bare_record_is_the_same_however_often_it_comes() -> None:
    once, again = decode(JOBS_CONTROL, record(PAUSE)), decode(JOBS_CONTROL, Original.of(record(PAUSE)).record())
    assert isinstance(once, Incoming) and isinstance(again, Incoming)
    assert once.id == again.id


@pytest.mark.parametrize(
    ("text", "number"), [(b"3", 3), (b"-1", 0), (b"", 0), (b"x", 0), (b"1000000000", 0), (b"\xd9\xa3", 3), (None, 0)]
)
def test_delivery_numbers_that_are_none_count_as_the_first(text: bytes | None, number: int) -> None:
    found = read(PAUSE, {DELIVERY: text})
    assert isinstance(found, Incoming)
    assert found.delivery == number


def test_headers_of_any_kind_are_passed_over() -> None:
    hostile: dict[str, bytes | None] = {"reply_to": b"evil", "content-type": b"application/msgpack", "x": None}
    hostile |= {f"h{number}": b"\xff" * 100 for number in range(500)}
    assert isinstance(read(PAUSE, hostile), Incoming)


@pytest.mark.parametrize(
    ("milliseconds", "year"), [(-1, 1970), (0, 1970), (1_767_225_600_000, 2026), (2**62, 9999), (-(2**62), 1970)]
)
def test_a_time_beyond_all_bounds_is_clamped(milliseconds: int, year: int) -> None:
    found: Any = ConsumerRecord("t", 0, 0, milliseconds, 0, b"k", b"v", None, 1, 1, ())
    assert Record.of(found).timestamp.year == year
