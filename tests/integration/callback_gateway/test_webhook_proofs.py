"""POST /in/{hook}: what proves a webhook, and what its sender's own id for it is."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.ids import derived_id
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.hooks import ORDER, counted, hook
from tests.support.eventually import eventually
from tests.support.signing import SECRET, signed

pytestmark = pytest.mark.usefixtures("hook_secret")


async def test_what_nothing_proves_is_refused_and_counted(edge: Served, reader_for: ReaderFor) -> None:
    received = await reader_for("webhooks.received")
    place, now = await hook(edge), datetime.now(UTC)
    good = signed(ORDER, "msg_1")
    forged = [
        ({**good, "headers": {"Content-Type": "application/json"}}, 401, "signature_missing"),
        (signed(ORDER, "msg_1", secret="whsec_" + "A" * 32), 401, "signature_wrong"),
        ({**good, "content": good["content"] + b" "}, 401, "signature_wrong"),
        (signed(ORDER, "msg_1", at=now - timedelta(minutes=6)), 401, "timestamp_beyond_tolerance"),
        (signed(ORDER, "msg_1", at=now + timedelta(minutes=6)), 401, "timestamp_beyond_tolerance"),
        (signed(ORDER, "msg.1"), 400, "malformed"),
        (_with(good, {"webhook-signature": ""}), 401, "signature_missing"),
        (_with(good, {"webhook-signature": "v1,é".encode("latin-1")}), 401, "signature_wrong"),
        (_with(good, {"webhook-signature": "v1," + "A" * 10_000}), 401, "signature_wrong"),
        (_with(good, {"webhook-signature": "v1,bm9uZQ== " * 9 + _signature(good)}), 401, "signature_wrong"),
        (_with(good, {"webhook-timestamp": "1e20"}), 400, "malformed"),
        (_with(good, {"webhook-timestamp": "-1"}), 400, "malformed"),
        (_with(good, {"webhook-id": "x" * 10_000}), 400, "malformed"),
        (signed(b'{"a":', "msg_1"), 400, "unfit"),
        (signed(b'\xef\xbb\xbf{"a":1}', "msg_1"), 400, "unfit"),
        (signed('{"a":1}'.encode("utf-16"), "msg_1"), 400, "unfit"),
        (signed(b'{"a":NaN}', "msg_1"), 400, "unfit"),
        (signed(b'{"a":1e999}', "msg_1"), 400, "unfit"),
        (signed(b'{"a":"\\ud800"}', "msg_1"), 400, "unfit"),
        (signed(b'{"a":%s}' % (b"9" * 5000), "msg_1"), 400, "unfit"),
        (signed(b"[" * 190 + b"]" * 190, "msg_1"), 400, "unfit"),
        (signed(b"", "msg_1"), 400, "unfit"),
    ]
    for request, status, verdict in forged:
        before = counted("acme", verdict)
        answer = await edge.http.post(place, **request)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), verdict
        assert counted("acme", verdict) == before + 1, verdict
    before = counted("", "unknown_hook")
    assert (await edge.http.post("/in/nobody", **good)).status_code == 404
    assert counted("", "unknown_hook") == before + 1
    assert (await edge.http.post(place, **good)).status_code == 202
    await eventually(lambda: received.records)
    assert len(received.records) == 1


def _with(request: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    return {**request, "headers": {**request["headers"], **headers}}


def _signature(request: dict[str, Any]) -> str:
    return str(request["headers"]["webhook-signature"])


async def test_a_secret_that_goes_and_one_that_comes_are_both_in_force(
    edge: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = "whsec_" + base64.b64encode(b"x" * 24).decode()
    monkeypatch.setenv("ACME_HOOK_NEXT", coming)
    place = await hook(edge, verify={"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK", "env:ACME_HOOK_NEXT"]})
    for number, secret in enumerate((SECRET, coming)):
        assert (await edge.http.post(place, **signed(ORDER, f"msg_{number}", secret=secret))).status_code == 202
    both = signed(ORDER, "msg_2", secret=coming)
    both = _with(both, {"webhook-signature": f"{_signature(signed(ORDER, 'msg_2'))} {_signature(both)}"})
    assert (await edge.http.post(place, **both)).status_code == 202


async def test_a_secret_that_is_no_key_is_not_the_senders_fault(edge: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_HOOK", "no base64!")
    place, before = await hook(edge), counted("acme", "secret_missing")
    answer = await edge.http.post(place, **signed(ORDER, "msg_1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "ACME_HOOK" not in answer.text
    assert counted("acme", "secret_missing") == before + 1


async def test_the_senders_id_may_stand_anywhere(edge: Served, reader_for: ReaderFor) -> None:
    received = await reader_for("webhooks.received")
    by_header = await hook(edge, "by-header", id='headers."x-delivery"')
    by_body = await hook(edge, "by-body", id="body.order.id")
    for _ in range(2):
        await edge.http.post(by_header, json=ORDER, headers={"X-Delivery": "d1"})
        await edge.http.post(by_body, json=ORDER)
    bodies: list[Any] = [{}, {"order": {"id": []}}, {"order": {"id": "a\u0000"}}, {"order": {"id": "x" * 256}}]
    for body in bodies:
        answer = await edge.http.post(by_body, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    await eventually(lambda: len(received.records) == 2)
    assert {event["sender_id"] for event in received.values} == {"d1", str(2**70)}


async def test_githubs_delivery_id_is_the_senders_id(edge: Served) -> None:
    place = await hook(edge, verify={"scheme": "github", "secrets": ["env:ACME_HOOK"]})
    body = b'{"zen": 1}'
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": "g1", "Content-Type": "application/json"}
    answers = [await edge.http.post(place, content=body, headers=headers) for _ in range(2)]
    assert [answer.json()["id"] for answer in answers] == [str(derived_id("webhook", "acme", "g1"))] * 2


async def test_stripes_event_is_known_by_the_id_in_its_body(edge: Served) -> None:
    place = await hook(edge, verify={"scheme": "stripe", "secrets": ["env:ACME_HOOK"]}, id="body.id")
    body, ids = b'{"id": "evt_1", "type": "charge.succeeded"}', set()
    for seconds, status in ((0, 202), (1, 202), (-400, 401)):
        stamp = str(int(datetime.now(UTC).timestamp()) + seconds)
        signature = hmac.digest(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hex()
        headers = {"Stripe-Signature": f"t={stamp},v1={'0' * 64},v1={signature}", "Content-Type": "application/json"}
        answer = await edge.http.post(place, content=body, headers=headers)
        assert answer.status_code == status, (seconds, answer.text)
        ids |= {answer.json()["id"]} if status == 202 else set()
    assert ids == {str(derived_id("webhook", "acme", "evt_1"))}


async def test_a_hook_whose_secret_is_missing_keeps_its_senders_trying(edge: Served) -> None:
    place = await hook(edge, verify={"scheme": "github", "secrets": ["env:ACME_NOT_SET"]})
    answer = await edge.http.post(place, json=ORDER, headers={"X-Hub-Signature-256": "sha256=00"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
