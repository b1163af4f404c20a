"""POST /in/{hook}: verified, durable, answered; the same webhook again is the same webhook."""

import asyncio
import base64
import hashlib
import threading
from typing import Any
from uuid import uuid4

import pytest

from services.callback_gateway.expire.store import delete_webhooks
from services.callback_gateway.settings import Settings
from services.callback_gateway.webhooks.decide import Webhook, read_webhook
from shared.events.catalogue import DEAD
from shared.events.topic import WEEK
from shared.ids import derived_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from shared.specification.hook import Hook
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served, ServeEdge
from tests.integration.callback_gateway.dead_letters import letter_of
from tests.integration.callback_gateway.hooks import ORDER, counted, hook
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.signing import SECRET, signed

pytestmark = pytest.mark.usefixtures("hook_secret")


async def test_a_webhook_is_kept_as_it_came(edge: Served, reader_for: ReaderFor) -> None:
    received = await reader_for("webhooks.received")
    place = await hook(edge)
    answer = await edge.http.post(place, **signed(ORDER, "msg_1"))
    webhook_id = str(derived_id("webhook", "acme", "msg_1"))
    assert (answer.status_code, answer.json()) == (
        202,
        {"id": webhook_id, "kind": "webhook", "status": "accepted", "links": {}},
    )
    [record] = await eventually(lambda: received.records)
    [event] = received.values
    assert (event["webhook_id"], event["hook"], event["sender_id"]) == (webhook_id, "acme", "msg_1")
    assert (event["body"], event["media_type"]) == (ORDER, "application/json")
    assert event["headers"]["webhook-id"] == "msg_1"
    assert (record.key, dict(record.headers)["ce_type"]) == (b"acme", b"webhook.received")


async def test_what_is_no_json_is_kept_byte_for_byte(edge: Served, reader_for: ReaderFor) -> None:
    received = await reader_for("webhooks.received")
    place = await hook(edge, verify={"scheme": "token", "secrets": ["env:ACME_HOOK"]})
    body = b"a=1&b=\xff\x00"
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": "x", "Content-Type": "application/x-www-form-urlencoded"}
    answers = [await edge.http.post(place, content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    await eventually(lambda: len(received.records) == 2)
    event = received.values[0]
    assert base64.b64decode(event["raw"]) == body
    assert "body" not in event
    assert not {"authorization", "cookie"} & set(event["headers"])
    assert SECRET.encode() not in b"".join(record.value for record in received.records)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain; charset=UTF-8"}, {}])
async def test_json_is_read_whatever_type_its_sender_gave_it(
    edge: Served, reader_for: ReaderFor, headers: dict[str, str]
) -> None:
    received = await reader_for("webhooks.received")
    place = await hook(edge, id="body.order.id", answer={"fields": {"echo": "body.action"}})
    body = b'{"action": "changed",  "order": {"id": 7}}'
    answer = await edge.http.post(place, content=body, headers=headers)
    assert (answer.json()["id"], answer.json()["echo"]) == (str(derived_id("webhook", "acme", "7")), "changed")
    [event] = await eventually(lambda: received.values)
    assert (base64.b64decode(event["raw"]), event["sender_id"]) == (body, "7")


async def test_the_same_one_twice_is_one_webhook(edge: Served, reader_for: ReaderFor) -> None:
    received = await reader_for("webhooks.received")
    place = await hook(edge)
    first, *others = [await edge.http.post(place, **signed(ORDER, "msg_1")) for _ in range(3)]
    assert "idempotency-replayed" not in first.headers
    for again in others:
        assert (again.status_code, again.json()) == (202, first.json())
        assert again.headers["idempotency-replayed"] == "true"
    other_hook = await hook(edge, "other")
    assert (await edge.http.post(other_hook, **signed(ORDER, "msg_1"))).json()["id"] != first.json()["id"]
    await eventually(lambda: len(received.records) == 2)
    assert sorted(event["hook"] for event in received.values) == ["acme", "other"]


async def test_a_hundred_at_once_are_one_webhook(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    """Through two gateways, so that the database decides."""
    received = await reader_for("webhooks.received")
    edges = [await serve_edge(producer), await serve_edge(producer)]
    for edge in edges:
        place = await hook(edge)
    request = signed(ORDER, "msg_1")
    answers = await asyncio.gather(*(edge.http.post(place, **request) for _ in range(50) for edge in edges))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    await edges[0].http.post(place, **signed(ORDER, "msg_2"))
    await eventually(lambda: len(received.records) == 2)
    assert [event["sender_id"] for event in received.values] == ["msg_1", "msg_2"]


async def test_another_body_under_the_same_id_does_not_count(edge: Served, reader_for: ReaderFor) -> None:
    received, before = await reader_for("webhooks.received"), counted("acme", "conflicting")
    place = await hook(edge)
    first = await edge.http.post(place, **signed({"a": 1}, "msg_1"))
    answer = await edge.http.post(place, **signed({"a": 2}, "msg_1"))
    assert (answer.status_code, answer.json()) == (202, first.json())
    assert counted("acme", "conflicting") == before + 1
    await edge.http.post(place, **signed({"a": 3}, "msg_2"))
    await eventually(lambda: len(received.records) == 2)
    assert [event["body"] for event in received.values] == [{"a": 1}, {"a": 3}]


async def test_a_hook_says_how_its_senders_are_answered(edge: Served, reader_for: ReaderFor) -> None:
    """Some take nothing but a 200, and some want a word of theirs back before they send anything else."""
    received = await reader_for("webhooks.received")
    fields = {"challenge": "body.challenge", "status": "'submitted'", "none": "abs(body.challenge)"}
    by_fields = await hook(edge, "by-fields", answer={"status": 200, "fields": fields})
    silent = await hook(edge, "silent", answer={"status": 204})
    challenge = ['é "\\ <script>', 2**70]
    answer = await edge.http.post(by_fields, json={"challenge": challenge})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told: dict[str, Any] = {"kind": "webhook", "status": "submitted", "links": {}, "challenge": challenge, "none": None}
    empty = await edge.http.post(silent, json={"challenge": challenge})
    assert (empty.status_code, empty.content) == (204, b"")
    await eventually(lambda: len(received.records) == 2)
    assert answer.json() == {"id": received.values[0]["webhook_id"], **told}
    for wrong in ({"status": 500}, {"fields": {"a": "status ||"}}):
        refused = await edge.http.put("/hooks/by-fields", json={"answer": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"][:8]) == (422, "/answer/")


@pytest.mark.parametrize("media_type", ["application/json", "application/xml"])
async def test_a_webhook_may_be_as_large_as_any_body(edge: Served, reader_for: ReaderFor, media_type: str) -> None:
    """What is no JSON is carried in base64, and with it its dead letter, in base64 once more."""
    received = await reader_for("webhooks.received")
    place = await hook(edge, "open", answer={})
    body = b'"' + b"x" * (Settings.model_fields["gateway_body_bytes"].default - 2) + b'"'
    answer = await edge.http.post(place, content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 202
    [record] = await eventually(lambda: received.records)
    assert outgoing(DEAD["planner"], "k", letter_of(value=record.value))


async def test_a_webhook_that_its_topic_does_not_take_is_refused_and_counted(
    serve_edge: ServeEdge, producer: Producer
) -> None:
    edge = await serve_edge(producer, gateway_body_bytes=2 * 1024**2)
    place = await hook(edge, "open", answer={})
    before = counted("open", "too_large")
    assert (await edge.http.post(place, content=b"x" * 2 * 1024**2)).status_code == 413
    assert counted("open", "too_large") == before + 1


async def test_limits_are_those_of_the_edge(edge: Served) -> None:
    place = await hook(edge, "open", id="headers.none || 'a'")
    for content, headers, status in (
        (b" " * (1024**2 + 1), {}, 413),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 400),
    ):
        answer = await edge.http.post(place, content=content, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), status
    for method in ("GET", "PUT", "DELETE"):
        assert (await edge.http.request(method, place)).status_code == 405


async def test_expressions_that_may_take_long_hold_up_no_other_request(
    edge: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are evaluated in threads, for each hook one webhook at a time."""
    begun, released = list[str](), threading.Event()

    def held(of: Hook, *arguments: Any) -> Webhook:
        begun.append(of.hook)
        if of.hook == "slow":
            released.wait(5)
        return read_webhook(of, *arguments)

    monkeypatch.setattr("services.callback_gateway.http.routes.webhooks.read_webhook", held)
    answer = {"fields": {"count": "length(body.items[?a || b])"}}
    slow, other = [await hook(edge, name, answer=answer) for name in ("slow", "other")]
    large: dict[str, Any] = {"items": [{}] * 50_000}
    asked = [asyncio.create_task(edge.http.post(slow, json=large)) for _ in range(3)]
    try:
        await eventually(lambda: begun)
        answers = [await edge.http.post(other, json=body) for body in (large, {"items": [{"b": 1}]})]
        assert [answer.json()["count"] for answer in answers] == [0, 1]
        assert begun == ["slow", "other", "other"]
    finally:
        released.set()
    assert [(await one).status_code for one in asked] == [202] * 3


async def test_a_hook_that_an_older_release_wrote_down_otherwise_harms_no_other(edge: Served) -> None:
    place = await hook(edge)
    async with edge.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO hooks (id, document) VALUES ('old', $1)", b'{"hook": "old", "since": "withdrawn"}'
        )
    other = await hook(edge, "other")
    await eventually(lambda: answers(edge, "/in/old", 503))
    for good in (place, other):
        assert (await edge.http.post(good, **signed(ORDER, "msg_1"))).status_code == 202


async def answers(edge: Served, place: str, status: int) -> bool:
    return (await edge.http.post(place, **signed(ORDER, "msg_1"))).status_code == status


async def test_a_claim_of_a_gateway_that_died_swallows_nothing(edge: Served, reader_for: ReaderFor) -> None:
    """It had claimed the id and not yet produced: with its connection its claim is gone."""
    received = await reader_for("webhooks.received")
    place = await hook(edge)
    webhook_id, fingerprint = derived_id("webhook", "acme", "msg_1"), hashlib.sha256(b"").digest()
    request = signed(ORDER, "msg_1")
    with pytest.raises(Died):
        async with edge.database.transaction() as tx:
            await tx.execute("INSERT INTO webhooks (id, fingerprint) VALUES ($1, $2)", webhook_id, fingerprint)
            asked = asyncio.create_task(edge.http.post(place, **request))
            await eventually(lambda: waiting(edge.database))
            raise Died
    answer = await asked
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (202, False)
    await eventually(lambda: len(received.records) == 1)


class Died(Exception):
    """`kill -9`, as the database sees it."""


async def test_ids_are_forgotten_after_a_week(edge: Served) -> None:
    place = await hook(edge)
    await edge.http.post(place, **signed(ORDER, "old"))
    await edge.http.post(place, **signed(ORDER, "new"))
    old = derived_id("webhook", "acme", "old")
    async with edge.database.transaction() as tx:
        await tx.execute("UPDATE webhooks SET received_at = now() - interval '8 days' WHERE id = $1", old)
    async with edge.database.transaction() as tx:
        await delete_webhooks(tx, WEEK, 5000)
    async with edge.database.transaction() as tx:
        left = [row["id"] for row in await tx.fetch("SELECT id FROM webhooks")]
    assert left == [derived_id("webhook", "acme", "new")]


async def test_hooks_are_configuration(edge: Served, reader_for: ReaderFor) -> None:
    hooks = await reader_for("hooks")
    start: dict[str, Any] = {"start": {"source": "orders"}}
    assert (await edge.http.put("/hooks/acme", json=start)).json()["errors"][0]["pointer"] == "/start/source"
    await edge.http.put("/vendors/acme", json={"base_url": "https://acme.example"})
    await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": {"request": {"path": "/{parameters.id}"}}})
    [mistake] = (await edge.http.put("/hooks/acme", json=start)).json()["errors"]
    assert mistake == {"pointer": "/start/parameters", "detail": "orders needs {parameters.id}"}
    invoke = {"submit": {"path": "/{input.month}", "json": ["{callback.url}"]}, "deadline": "1h"}
    await edge.http.put("/sources/reports", json={"vendor": "acme", "invoke": invoke})
    [mistake] = (await edge.http.put("/hooks/acme", json={"start": {"source": "reports"}})).json()["errors"]
    assert mistake == {"pointer": "/start/source", "detail": "reports needs {input.month}"}
    start["start"] = {"source": "orders", "parameters": {"id": "body.order.id"}}
    assert (await edge.http.put("/hooks/acme", json=start)).status_code == 201
    assert (await edge.http.get("/hooks/acme")).json()["start"]["source"] == "orders"
    assert [found["hook"] for found in (await edge.http.get("/hooks")).json()["hooks"]] == ["acme"]
    answer = await edge.http.post("/in/acme", json=ORDER)
    place = f"/jobs/{answer.json()['id']}"
    assert (answer.json()["links"], answer.headers["location"]) == ({"job": place}, place)
    assert answer.headers["retry-after"] == "1"
    assert (await edge.http.delete("/hooks/acme")).status_code == 204
    assert (await edge.http.post("/in/acme", json=ORDER)).status_code == 404
    await eventually(lambda: len(hooks.records) == 2)
    assert [record.value is None for record in hooks.records] == [False, True]
    assert (await edge.http.get(f"/hooks/{uuid4()}")).status_code == 404
