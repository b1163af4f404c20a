"""Whatever is on the topics that are shown: it is put aside with its reason, and what is good is shown."""

from functools import partial
from typing import Any

import httpx
import orjson

from shared.events.catalogue import DEAD
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.support.eventually import eventually
from tests.support.letters import reasons

AT = "2026-01-01T00:00:00Z"
JOB = str(new_id())
VENDOR = {"vendor": "x", "base_url": "https://a.example"}


def accepted(job_id: str = JOB, **more: Any) -> bytes:
    about = {"job_id": job_id, "kind": "poll", "vendor": "v", "source": "s", "specification": {}, "at": AT}
    return orjson.dumps({"type": "job.accepted", **about, **more})


def task(**more: Any) -> bytes:
    about = {"task_id": str(new_id()), "job_id": JOB, "number": 0, "state": "started", "service": "fetcher", "at": AT}
    return orjson.dumps({"type": "task.changed", **about, **more})


def letter(**more: Any) -> bytes:
    original = {"topic": "t", "partition": 0, "offset": 0, "timestamp": AT, "headers": []}
    about = {"service": "planner", "group": "g", "event_id": str(new_id()), "delivery": 0, "reason": "bug", "at": AT}
    return orjson.dumps({"type": "dead_letter", **about, "original": original, **more})


def callback(**more: Any) -> bytes:
    about = {"callback_id": str(new_id()), "vendor": "v", "vendor_job": "r1", "received_at": AT}
    return orjson.dumps({"type": "callback.received", **about, **more})


PUT_ASIDE: dict[str, dict[str, tuple[bytes, str]]] = {
    "jobs.events": {
        "a type of a later release": (b'{"type":"job.exploded","job_id":"%s"}' % JOB.encode(), "unknown_type"),
        "no type": (b'{"job_id":"%s"}' % JOB.encode(), "unknown_type"),
        "no time": (accepted(at="soon"), "schema_invalid"),
        "more tasks than a number holds": (
            orjson.dumps({"type": "job.planned", "job_id": JOB, "tasks": 2**40, "at": AT}),
            "unstorable_value",
        ),
    },
    "tasks.events": {
        "a number beyond 32 bits": (task(number=2**40), "unstorable_value"),
        "a round beyond 64 bits": (task(round=2**63), "unstorable_value"),
        "a state of a later release": (task(state="lost"), "schema_invalid"),
    },
    "planner.dead": {
        "a letter without an original": (letter(original=None), "schema_invalid"),
        "a letter that is cut": (letter()[:-1], "undecodable"),
    },
    "callbacks.received": {
        "a callback for a round beyond": (callback(round=2**40), "unstorable_value"),
        "a callback without a vendor": (callback(vendor=None), "schema_invalid"),
        "a callback for NUL": (callback(vendor_job="\0"), "unstorable_value"),
    },
    "vendors": {
        "under another's name": (
            orjson.dumps({"type": "vendor.configured", "vendor": VENDOR}),
            "key_mismatch",
        ),
        "at a private address": (
            orjson.dumps({"type": "vendor.configured", "vendor": {"vendor": "y", "base_url": "http://127.1:9999"}}),
            "schema_invalid",
        ),
        "with a text for a number": (
            orjson.dumps({"type": "vendor.configured", "vendor": {**VENDOR, "budget": {"in_flight": "5"}}}),
            "schema_invalid",
        ),
    },
}


async def test_each_bad_record_is_put_aside_with_its_reason_and_its_neighbours_are_shown(
    gateway: httpx.AsyncClient, producer: Producer, reader_for: ReaderFor
) -> None:
    dead, good = await reader_for(DEAD["callback-gateway"].name), [str(new_id()) for _ in range(20)]
    for topic, bad in PUT_ASIDE.items():
        await producer.send([Outgoing(topic, what, value, ()) for what, (value, _) in bad.items()])
    for one in good:
        await producer.send([Outgoing("jobs.events", one, accepted(one), ())])
        await producer.send([Outgoing("tasks.events", one, task(job_id=one), ())])
    expected = {what: reason for bad in PUT_ASIDE.values() for what, (_, reason) in bad.items()}
    await eventually(lambda: len(dead.values) >= len(expected), 40)
    assert reasons(dead) == expected
    for one in good:
        await eventually(partial(_task_of, gateway, one), 30)
    assert (await gateway.get("/vendors/x")).status_code == 404


async def _task_of(gateway: httpx.AsyncClient, job_id: str) -> bool:
    return bool((await gateway.get(f"/jobs/{job_id}/tasks")).json()["tasks"])
