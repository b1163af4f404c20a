"""Whatever is on a topic that anyone may produce to: it is put aside with its reason, and what is good is handled."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from services.planner.app import build
from services.planner.settings import Settings
from shared.database.pool import Database
from shared.events.envelope import CE_ID, CE_VERSION, DELIVERY, delivery_of_replay
from shared.ids import new_id
from shared.messaging.outcomes import CIRCUIT_RUN
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.eventually import eventually
from tests.support.letters import reasons
from tests.support.running import running
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

GOOD = {"url": "https://api.example/items"}
LIMIT = 1024**2
Header = tuple[str, bytes | None]


def document(**more: Any) -> bytes:
    return orjson.dumps({**GOOD, **more})


PUT_ASIDE: dict[str, tuple[bytes | None, str]] = {
    "nothing": (None, "empty"),
    "empty": (b"", "empty"),
    "cut": (document()[:-3], "undecodable"),
    "byte order mark": (b"\xef\xbb\xbf" + document(), "undecodable"),
    "UTF-16": (document().decode().encode("utf-16"), "undecodable"),
    "deep": (b"[" * 10_000, "undecodable"),
    "a list": (b"[]", "schema_invalid"),
    "a number": (b"7", "schema_invalid"),
    "null": (b"null", "schema_invalid"),
    "no kind of job": (b"{}", "schema_invalid"),
    "an id that is none": (document(id="x"), "schema_invalid"),
    "an unknown field": (document(prioritty="high"), "schema_invalid"),
    "no finite number": (document()[:-1] + b',"tolerate":1e999}', "schema_invalid"),
    "no finite number in a body": (b'{"vendor":"a","request":{"json":{"v":1e999}}}', "schema_invalid"),
    "no number in a body": (b'{"vendor":"a","request":{"json":{"v":[NaN]}}}', "schema_invalid"),
    "a duration beyond all bounds": (document(payloads={"keep": "9" * 40 + "d"}), "schema_invalid"),
    "NUL in a name": (b'{"vendor":"a\\u0000","poll":{}}', "unstorable_value"),
    "NUL in an expression": (document(records={"select": "body[?a != '\0']"}), "schema_invalid"),
    "a lone surrogate in a name": (b'{"vendor":"a\\ud800","poll":{}}', "undecodable"),
    "NUL in the URL": (document(url="https://api.example/\0"), "schema_invalid"),
    "as large as may be": (b'{"x":"%s"}' % (b"x" * (LIMIT - 2000)), "schema_invalid"),
}


def configured(name: str) -> bytes:
    return orjson.dumps({"type": "vendor.configured", "vendor": {"vendor": name, "base_url": "https://a.example"}})


def changed(**more: Any) -> bytes:
    about = {"task_id": str(new_id()), "job_id": str(new_id()), "number": 0, "state": "started", "service": "fetcher"}
    return orjson.dumps({"type": "task.changed", "at": "2026-01-01T00:00:00Z", **about, **more})


PUT_ASIDE_ELSEWHERE: dict[str, dict[str, tuple[bytes, str]]] = {
    "jobs.control": {
        "no job": (b'{"action":"pause"}', "schema_invalid"),
        "no action": (b'{"job_id":"%s","action":"explode"}' % str(new_id()).encode(), "schema_invalid"),
    },
    "tasks.events": {
        "no state": (changed(state="lost"), "schema_invalid"),
        "a state of a later release": (changed(type="task.forgotten"), "schema_invalid"),
    },
    "vendors": {
        "another": (configured("acme"), "key_mismatch"),
        "no vendor": (b'{"type":"vendor.configured","vendor":{"vendor":"x"}}', "schema_invalid"),
    },
}
GOOD_ALL_THE_SAME: dict[str, list[Header]] = {
    "no headers": [],
    "headers that are no text": [("a", b"\xff\xfe"), ("b", None), ("b", b"again"), ("", b"")],
    "a reply-to": [("reply_to", b"sluice.evil"), ("correlation_id", b"\xff")],
    "another content type": [("content-type", b"application/msgpack")],
    "five hundred headers": [(f"h{number}", b"x") for number in range(500)],
    "a header of half a megabyte": [("h", b"x" * (LIMIT // 2))],
    "an id that is no UUID": [(CE_ID, b"order-7")],
    "a delivery that is none": [(DELIVERY, b"-1")],
}


@pytest.fixture
async def raw(topics: Place) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that produces what it is told, as a stranger's would."""
    made = AIOKafkaProducer(bootstrap_servers=topics.kafka, max_request_size=2 * LIMIT)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def planner(topics: Place, payloads: Path) -> AsyncIterator[None]:
    async with running("planner", Settings, build, topics, payloads):
        yield


def accepted(jobs: TopicReader) -> set[str]:
    return {event["job_id"] for event in jobs.of_type("job.accepted")}


async def count_jobs(database: Database) -> int:
    async with database.transaction() as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM jobs")
    return count


async def test_each_bad_record_is_put_aside_with_its_reason_and_its_bytes(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    topic, good = f"{topics.prefix}.jobs.requested", []
    for what, (value, _) in PUT_ASIDE.items():
        await raw.send_and_wait(topic, value, key=what.encode())
        good.append(str(new_id()))
        await raw.send_and_wait(topic, document(id=good[-1]), key=good[-1].encode())
    await eventually(lambda: accepted(jobs) >= set(good), 40)
    await eventually(lambda: len(dead.records) == len(PUT_ASIDE), 20)
    assert reasons(dead) == {what: reason for what, (_, reason) in PUT_ASIDE.items()}
    kept = {base64.b64decode(letter["original"]["key"]).decode(): letter["original"] for letter in dead.values}
    for what, (value, _) in PUT_ASIDE.items():
        if value:
            assert base64.b64decode(kept[what]["value"]) == value


async def test_a_request_that_the_shell_gave_up_rejects_its_job_but_none_that_is_there(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    topic, new, there = f"{topics.prefix}.jobs.requested", str(new_id()), str(new_id())
    await raw.send_and_wait(topic, document(id=there), key=b"there")
    await eventually(lambda: there in accepted(jobs), 40)
    for job_id in (there, new):
        given_up = orjson.dumps({"id": job_id, "vendor": "a\0", "poll": {}})
        await raw.send_and_wait(topic, given_up, key=job_id.encode())
    await eventually(lambda: reasons(dead) == dict.fromkeys((there, new), "unstorable_value"), 40)
    [rejected] = await eventually(lambda: jobs.of_type("job.rejected"))
    detail = "unstorable_value: the job could not be planned"
    assert (rejected["job_id"], rejected["mistakes"]) == (new, [{"pointer": "", "detail": detail}])


async def test_a_request_that_cannot_be_read_rejects_the_job_that_it_names_but_none_that_is_there(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    """Its sender follows the job by this id, and would wait without end."""
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    topic, there, ids = f"{topics.prefix}.jobs.requested", str(new_id()), [str(new_id()) for _ in range(5)]
    await raw.send_and_wait(topic, document(id=there), key=b"there")
    await eventually(lambda: there in accepted(jobs), 40)
    infinite, undefined, cut, empty, by_event = ids
    await raw.send_and_wait(topic, document(id=infinite)[:-1] + b',"tolerate":1e999}', key=b"infinite")
    await raw.send_and_wait(topic, b'{"id":"%s","vendor":"a","poll":{"x":[NaN]}}' % undefined.encode())
    await raw.send_and_wait(topic, b"{", key=cut.encode())
    await raw.send_and_wait(topic, None, key=empty.encode())
    await raw.send_and_wait(topic, b"[]", key=b"a list", headers=[(CE_ID, by_event.encode())])
    await raw.send_and_wait(topic, b"{", key=there.encode())
    await raw.send_and_wait(topic, b"{", key=b"no job")
    await eventually(lambda: len(dead.records) == 7, 40)
    await eventually(lambda: len(jobs.of_type("job.rejected")) == 5)
    mistakes = {event["job_id"]: event["mistakes"][0] for event in jobs.of_type("job.rejected")}
    assert mistakes.keys() == set(ids)
    assert mistakes[infinite] == {"pointer": "", "detail": "schema_invalid: expected finite numbers"}
    assert mistakes[cut]["detail"].startswith("undecodable: ")


async def test_a_flood_of_values_that_cannot_be_stored_does_not_stop_the_planner(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    """Anyone may send them, and the requests of others must not wait behind them."""
    jobs, topic, good = await reader_for("jobs.events"), f"{topics.prefix}.jobs.requested", str(new_id())
    for _ in range(2 * CIRCUIT_RUN):
        await raw.send(topic, b'{"vendor":"a\\u0000","poll":{}}', key=b"one")
    await raw.send_and_wait(topic, document(id=good), key=b"one")
    await eventually(lambda: good in accepted(jobs), 40)


async def test_on_every_topic_a_bad_record_is_put_aside_and_its_neighbours_are_handled(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor, database_for: DatabaseFor
) -> None:
    dead, database, good = await reader_for("planner.dead"), await database_for("planner"), str(new_id())
    for name, bad in PUT_ASIDE_ELSEWHERE.items():
        topic = f"{topics.prefix}.{name}"
        for what, (value, _) in bad.items():
            await raw.send_and_wait(topic, value, key=what.encode())
        if name == "vendors":
            await raw.send_and_wait(topic, configured("good"), key=b"good")
    await eventually(lambda: _knows_vendor(database, "good"), 40)
    expected = {what: reason for bad in PUT_ASIDE_ELSEWHERE.values() for what, (_, reason) in bad.items()}
    await eventually(lambda: reasons(dead) == expected, 40)
    assert not await _knows_vendor(database, "acme")
    jobs = await reader_for("jobs.events")
    await raw.send_and_wait(f"{topics.prefix}.jobs.requested", document(id=good), key=good.encode())
    await eventually(lambda: good in accepted(jobs), 40)


async def _knows_vendor(database: Database, name: str) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.fetchval("SELECT count(*) FROM vendors WHERE id = $1", name))


async def test_a_task_ends_for_whatever_reason_and_its_job_with_it(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    """A vendor's link that leads elsewhere is told of, with whatever stands in it."""
    fetches, jobs = await reader_for("fetch.requested"), await reader_for("jobs.events")
    await raw.send_and_wait(f"{topics.prefix}.jobs.requested", document(), key=b"one")
    [call] = await eventually(lambda: fetches.values, 40)
    place = {name: call[name] for name in ("task_id", "job_id", "number")}
    told = changed(**place, state="dead", reason="next_elsewhere: the vendor's link leads to http://a\0b.example")
    await raw.send_and_wait(f"{topics.prefix}.tasks.events", told, key=b"one")
    [ended] = await eventually(lambda: jobs.of_type("job.ended"), 40)
    assert (ended["state"], "a\ufffdb" in ended["reason"]) == ("failed", True)


async def test_whatever_the_headers_are_a_good_record_is_handled(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    jobs, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    topic, sent = f"{topics.prefix}.jobs.requested", {}
    for what, headers in GOOD_ALL_THE_SAME.items():
        sent[str(new_id())] = what
        await raw.send_and_wait(topic, document(id=list(sent)[-1]), key=None, headers=headers)
    await eventually(lambda: accepted(jobs) == set(sent), 40)
    assert not dead.records
    keyless = REGISTRY.get_sample_value("sluice_keyless_records_total", {"group": f"{topics.prefix}.planner.accept"})
    assert keyless == len(sent)


async def test_an_event_that_comes_with_another_content_is_still_the_first_one(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    jobs = await reader_for("jobs.events")
    topic, same, last = f"{topics.prefix}.jobs.requested", [(CE_ID, str(new_id()).encode())], str(new_id())
    first, second = str(new_id()), str(new_id())
    for job_id, headers in ((first, same), (second, same), (last, [])):
        await raw.send_and_wait(topic, document(id=job_id), key=b"one", headers=headers)
    await eventually(lambda: {first, last} <= accepted(jobs), 40)
    assert second not in accepted(jobs)


async def test_a_later_envelope_is_looked_at_again_and_a_later_version_of_an_event_is_read(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    """Whoever sends it may have been deployed before us."""
    dead, retries = await reader_for("planner.dead"), await reader_for("planner.retry")
    topic, value = f"{topics.prefix}.jobs.control", b'{"job_id":"%s","action":"pause","colour":"red"}'
    known = value % str(new_id()).encode()
    await raw.send_and_wait(topic, known, key=b"later field")
    later: list[Header] = [(CE_VERSION, b"2.0")]
    await raw.send_and_wait(topic, known, key=b"may be read later", headers=later)
    await raw.send_and_wait(topic, known, key=b"later envelope", headers=[*later, (DELIVERY, b"4")])
    await raw.send_and_wait(topic, b"{", key=b"marker")
    await eventually(lambda: "marker" in reasons(dead), 40)
    await eventually(lambda: len(dead.records) == 2)
    assert reasons(dead) == {"later envelope": "unsupported_version", "marker": "undecodable"}
    [retry] = await eventually(lambda: [one for one in retries.values if one["reason"] == "unsupported_version"])
    assert (retry["delivery"], base64.b64decode(retry["original"]["key"])) == (1, b"may be read later")
    assert base64.b64decode(retry["original"]["value"]) == known


async def test_a_record_too_odd_for_its_dead_letter_is_put_aside_without_its_headers(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor
) -> None:
    """A name of control characters grows sixfold in JSON."""
    dead = await reader_for("planner.dead")
    topic = f"{topics.prefix}.jobs.requested"
    await raw.send_and_wait(topic, b"{", key=b"odd", headers=[("\x01" * (LIMIT - 2000), b"")])
    await raw.send_and_wait(topic, b"{", key=b"next")
    await eventually(lambda: reasons(dead) == {"odd": "undecodable", "next": "undecodable"}, 40)
    assert [letter["original"]["headers"] for letter in dead.values] == [[], []]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"x":"%s"}' % (b"x" * 3 * LIMIT), "schema_invalid"),
        (b'{"vendor":"acme","poll":{}}' + b" " * 3 * LIMIT, "config_missing"),
        (b'{"vendor":"a\\u0000","poll":{}}' + b" " * 3 * LIMIT, "unstorable_value"),
    ],
)
async def test_a_record_too_large_for_its_dead_letter_is_put_aside_without_its_value(
    topics: Place, planner: None, reader_for: ReaderFor, value: bytes, reason: str
) -> None:
    """A topic's limit is one of compressed bytes."""
    dead, topic = await reader_for("planner.dead"), f"{topics.prefix}.jobs.requested"
    async with AIOKafkaProducer(
        bootstrap_servers=topics.kafka, compression_type="gzip", max_request_size=4 * LIMIT
    ) as compressed:
        await compressed.send_and_wait(topic, value, key=b"large", partition=0, headers=[(DELIVERY, b"5")])
        await compressed.send_and_wait(topic, b"{", key=b"next", partition=0)
    await eventually(lambda: reasons(dead) == {"large": reason, "next": "undecodable"}, 40)
    left_out = f"a value of {len(value)} bytes (SHA-256 {hashlib.sha256(value).hexdigest()})"
    letter = next(one for one in dead.values if one["reason"] == reason)
    assert letter["original"]["left_out"] == left_out
    assert letter["error"].endswith(f"too large for a dead letter: {left_out}")
    assert "value" not in letter["original"]


async def test_a_vendor_that_nobody_knows_is_waited_for_and_then_told(
    topics: Place, planner: None, raw: AIOKafkaProducer, reader_for: ReaderFor, database_for: DatabaseFor
) -> None:
    jobs, dead, retries = [await reader_for(topic) for topic in ("jobs.events", "planner.dead", "planner.retry")]
    topic, value = f"{topics.prefix}.jobs.requested", orjson.dumps({"vendor": "acme", "poll": {}})
    await raw.send_and_wait(topic, value, key=b"waits")
    await raw.send_and_wait(topic, value, key=b"replayed", headers=[(DELIVERY, b"%d" % delivery_of_replay(1))])
    await raw.send_and_wait(topic, value, key=b"ends", headers=[(DELIVERY, b"5")])
    await eventually(lambda: len(retries.values) == 2, 40)
    asked = {(retry["reason"], retry["delivery"]) for retry in retries.values}
    assert asked == {("config_missing", 1), ("config_missing", delivery_of_replay(1) + 1)}
    await eventually(lambda: reasons(dead) == {"ends": "config_missing"}, 20)
    [rejected] = await eventually(lambda: jobs.of_type("job.rejected"))
    assert rejected["mistakes"][0]["pointer"] == "/vendor"
    assert await count_jobs(await database_for("planner")) == 0
