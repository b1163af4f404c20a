"""`POST /callbacks`: proven over the raw bytes, durable, then answered; what proves nothing leaves nothing behind."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client import REGISTRY

from services.callback_gateway.http.callback_rules import CallbackRules
from services.callback_gateway.settings import Settings
from shared.database.pool import Database
from shared.events.catalogue import DEAD
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.tokens import Claim, make_token
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.dead_letters import letter_of
from tests.integration.callback_gateway.outages import Counting, drain
from tests.support.descriptors import no_descriptors
from tests.support.eventually import eventually
from tests.support.stack import Place

KEY = "a key for tests"
SECRET = base64.b64encode(b"0123456789abcdef01234567").decode()
BODY = orjson.dumps({"status": "succeeded", "data": {"job_id": "r1"}})
SIGNED = {
    "verify": {"scheme": "standard-webhooks", "secrets": ["env:ACME_OLD", "env:ACME_HOOK"]},
    "vendor_job": "body.data.job_id",
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HOOK", f"whsec_{SECRET}")
    monkeypatch.setenv("ACME_OLD", "whsec_b2xk")
    monkeypatch.setenv("CALLBACK_KEY_OF_TESTS", KEY)


def signed(body: bytes, at: datetime | None = None) -> dict[str, str]:
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    mac = hmac.digest(base64.b64decode(SECRET), f"msg_1.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,bm9uZQ== v1,{base64.b64encode(mac).decode()}",
    }


def token(key: str = KEY, *, within: timedelta = timedelta(hours=1)) -> tuple[str, Claim]:
    claim = Claim(new_id(), 2, datetime.now(UTC).replace(microsecond=0) + within)
    return make_token(key.encode(), claim), claim


async def put_vendor(database: Database, callbacks: dict[str, Any]) -> None:
    document = orjson.dumps({"vendor": "acme", "base_url": "https://acme.example", "callbacks": callbacks})
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO vendors (id, document) VALUES ('acme', $1)", document)


async def served(serve_edge: ServeEdge, producer: Producer, callbacks: dict[str, Any]) -> Served:
    edge = await serve_edge(producer, callback_key="env:CALLBACK_KEY_OF_TESTS")
    await put_vendor(edge.database, callbacks)
    return edge


async def test_a_token_is_proof_enough_where_nothing_is_signed(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, {})
    text, claim = token()
    answer = await edge.http.post(f"/callbacks/acme/{text}", content=BODY, headers={"authorization": "Bearer x"})
    assert answer.status_code == 202
    [event] = await eventually(lambda: came.values)
    assert (event["callback_id"], event["task_id"], event["round"]) == (answer.json()["id"], str(claim.task_id), 2)
    assert base64.b64decode(event["body"]) == BODY
    assert "authorization" not in event["headers"]
    assert text not in came.records[0].value.decode()


async def test_a_callback_may_be_as_large_as_any_body(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    """It is carried in base64, and with it its dead letter, in base64 once more."""
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, {})
    text, _ = token()
    body = b"x" * Settings.model_fields["gateway_body_bytes"].default
    answer = await edge.http.post(f"/callbacks/acme/{text}", content=body)
    assert answer.status_code == 202
    [record] = await eventually(lambda: came.records)
    letter = letter_of(value=record.value)
    assert outgoing(DEAD["callback-gateway"], "k", letter)


async def test_a_callback_that_its_topic_does_not_take_is_refused_and_counted(
    serve_edge: ServeEdge, producer: Producer
) -> None:
    edge = await serve_edge(producer, callback_key="env:CALLBACK_KEY_OF_TESTS", gateway_body_bytes=2 * 1024**2)
    await put_vendor(edge.database, {})
    before = _counted("too_large")
    answer = await edge.http.post(f"/callbacks/acme/{token()[0]}", content=b"x" * 2 * 1024**2)
    assert answer.status_code == 413
    assert _counted("too_large") == before + 1


def _counted(verdict: str) -> float:
    return REGISTRY.get_sample_value("sluice_callbacks_total", {"vendor": "acme", "verdict": verdict}) or 0.0


async def test_a_signed_callback_names_its_job_itself(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, SIGNED)
    answer = await edge.http.post("/callbacks/acme", content=BODY, headers=signed(BODY))
    assert answer.status_code == 202
    [event] = await eventually(lambda: came.values)
    assert (event["vendor_job"], event.get("task_id")) == ("r1", None)
    assert came.records[0].key == b"acme/r1"


@pytest.mark.parametrize("path", ["/callbacks/acme", "/callbacks/acme/{token}"])
async def test_what_proves_nothing_is_refused_and_leaves_nothing_behind(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor, path: str
) -> None:
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, SIGNED)
    place = path.format(token=token()[0])
    old = datetime.now(UTC) - timedelta(minutes=6)
    good = signed(BODY)
    refused: list[tuple[bytes, dict[str, Any], int]] = [
        (BODY, {}, 401),
        (BODY, {**good, "webhook-signature": ""}, 401),
        (BODY, {**good, "webhook-signature": "v1,é".encode("latin-1")}, 401),
        (BODY, {**good, "webhook-signature": "v1," + "A" * 10_000}, 401),
        (BODY, {**good, "webhook-signature": "v1,bm9uZQ== " * 9 + good["webhook-signature"]}, 401),
        (b"{}", good, 401),
        (BODY + b" ", good, 401),
        (BODY, signed(BODY, old), 401),
        (BODY, {**good, "webhook-timestamp": "abc"}, 400),
        (BODY, {**good, "webhook-timestamp": "-1"}, 400),
        (BODY, {**good, "webhook-timestamp": "1e20"}, 400),
        (BODY, {**good, "webhook-id": "msg.1"}, 400),
        (BODY, {**good, "webhook-id": "x" * 10_000}, 400),
        (BODY, {**good, "content-encoding": "gzip"}, 415),
        (b" " * (1024**2 + 1), good, 413),
    ]
    for body, headers, status in refused:
        answer = await edge.http.post(place, content=body, headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["instance"] == "/callbacks/acme"
    assert (await edge.http.post(place, content=BODY, headers=signed(BODY))).status_code == 202
    await eventually(lambda: came.values)
    assert len(came.values) == 1


async def test_whatever_is_wrong_with_a_url_the_answer_is_the_same(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await served(serve_edge, producer, {})
    good, _ = token()
    other, _ = token("another key")
    ancient, _ = token(within=timedelta(days=-31))
    tokens = [other, ancient, "x", "x" * 5000, "%00", f"{good}x", good[:-1], good.swapcase()]
    wrong = [*(f"/callbacks/acme/{one}" for one in tokens), f"/callbacks/nobody/{good}", "/callbacks/acme"]
    answers = [await edge.http.post(place, content=BODY) for place in wrong]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "there is nothing of that name")
    }
    assert not any(good in answer.text or other in answer.text for answer in answers)


@pytest.mark.parametrize(
    ("job", "status"),
    [
        ("r1", 202),
        (7, 202),
        (2**70, 202),
        ("x" * 255, 202),
        ("x" * 256, 400),
        ("x" * 10_000, 400),
        ("", 400),
        (None, 400),
        (True, 400),
        (1.5, 400),
        (["r1"], 400),
        ({"id": "r1"}, 400),
        ("r\u00001", 400),
        ("r\n1", 400),
    ],
)
async def test_without_a_token_a_job_must_be_named(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor, job: Any, status: int
) -> None:
    """Whole numbers count as texts: vendors write them either way."""
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, SIGNED)
    body = orjson.dumps({"data": {"job_id": job}}) if job != 2**70 else b'{"data": {"job_id": %d}}' % job
    answer = await edge.http.post("/callbacks/acme", content=body, headers=signed(body))
    assert answer.status_code == status, answer.text
    if status == 202:
        assert [event["vendor_job"] for event in await eventually(lambda: came.values)] == [str(job)]
    else:
        assert not came.values


async def test_what_is_no_json_names_no_job(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await served(serve_edge, producer, SIGNED)
    bodies = (b"", b"{", b"\xff\xfe{}", b'{"data": {"job_id": "\\ud800"}}', b"[" * 100_000, b"job_id=r1")
    for body in bodies:
        answer = await edge.http.post("/callbacks/acme", content=body, headers=signed(body))
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), body[:20]


async def test_a_token_says_all_that_must_be_known(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    """Bodies of any kind, also none, and a wait that is over: which task it is for is never in doubt."""
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, producer, {})
    late = token(within=timedelta(days=-1))[0]
    bodies = (b"", b"done", b"\xff\x00", b'{"a": NaN}', b"<ok/>")
    for body, place in (*((body, token()[0]) for body in bodies), (BODY, late)):
        answer = await edge.http.post(f"/callbacks/acme/{place}", content=body, headers={"content-type": "text/html"})
        assert answer.status_code == 202, body
    await eventually(lambda: len(came.values) == 6)
    assert {base64.b64decode(event.get("body", "")) for event in came.values} == {*bodies, BODY}


async def test_a_broker_that_is_away_delays_a_callback_and_loses_nothing(
    topics: Place, payloads: Path, serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    came = await reader_for("callbacks.received")
    edge = await served(serve_edge, Producer(topics.kafka, prefix=topics.prefix), {})
    answer: httpx.Response = await edge.http.post(f"/callbacks/acme/{token()[0]}", content=BODY)
    assert answer.status_code == 202
    await drain(topics, payloads, producer, edge.database)
    [event] = await eventually(lambda: came.values)
    assert event["callback_id"] == answer.json()["id"]


@pytest.mark.parametrize("reference", ["env:NOWHERE_AT_ALL", "env:ACME_NO_KEY"])
async def test_a_secret_of_ours_that_is_missing_or_no_key_is_not_the_senders_fault(
    serve_edge: ServeEdge, producer: Producer, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    monkeypatch.setenv("ACME_NO_KEY", "whsec_no base64")
    rules = {**SIGNED, "verify": {"scheme": "standard-webhooks", "secrets": [reference]}}
    edge = await served(serve_edge, producer, rules)
    answer = await edge.http.post("/callbacks/acme", content=BODY, headers=signed(BODY))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_a_secret_of_ours_that_cannot_be_read_for_now_is_not_the_senders_fault(
    serve_edge: ServeEdge, producer: Producer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    rules = {**SIGNED, "verify": {"scheme": "standard-webhooks", "secrets": [f"file:{secret}"]}}
    edge = await served(serve_edge, producer, rules)
    await edge.http.get("/health")
    with no_descriptors():
        answer = await edge.http.post("/callbacks/acme", content=BODY, headers=signed(BODY))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await edge.http.post("/callbacks/acme", content=BODY, headers=signed(BODY))).status_code == 202


async def test_rules_that_cannot_be_read_are_not_the_senders_fault(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await served(serve_edge, producer, {"since": "withdrawn"})
    answer = await edge.http.post("/callbacks/acme", content=BODY, headers=signed(BODY))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_a_body_that_is_too_large_is_refused(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await served(serve_edge, producer, {})
    answer = await edge.http.post(f"/callbacks/acme/{token()[0]}", content=b"x" * 1_100_000)
    assert answer.status_code == 413


@pytest.fixture
async def counting(place: Place) -> AsyncIterator[Counting]:
    name = "callback_gateway"
    database = Counting(place.database_url().replace("{service}", name), schema=name)
    await database.open()
    yield database
    await database.close()


async def test_a_name_that_nobody_has_is_asked_for_once_in_a_while(counting: Counting) -> None:
    now = 100.0
    senders = CallbackRules(counting, lambda: now, most_absent=2)
    assert [await senders.rules_of("nobody") for _ in range(100)] == [None] * 100
    assert counting.asked == 1
    for name in ("nobody-2", "nobody-3", "nobody"):
        assert await senders.rules_of(name) is None
    assert counting.asked == 4
    assert await senders.rules_of("acme") is None
    await put_vendor(counting, {})
    before = counting.asked
    assert await senders.rules_of("acme") is None
    now += 1.0
    assert await senders.rules_of("acme") is not None
    assert counting.asked == before + 1


async def test_a_forged_token_costs_the_database_nothing(
    serve_edge: ServeEdge, producer: Producer, counting: Counting
) -> None:
    edge = await serve_edge(producer, counting, callback_key="env:CALLBACK_KEY_OF_TESTS")
    await put_vendor(edge.database, {})
    before = counting.asked
    for forged in (token("another")[0], "x", "x" * 500):
        for vendor in ("acme", "nobody"):
            assert (await edge.http.post(f"/callbacks/{vendor}/{forged}", content=BODY)).status_code == 404
    assert counting.asked == before
