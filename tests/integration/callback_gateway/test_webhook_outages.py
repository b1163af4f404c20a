"""POST /in/{hook} while the broker or the database is away."""

from pathlib import Path

import pytest

from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import ServeEdge
from tests.integration.callback_gateway.hooks import ORDER, counted, hook
from tests.integration.callback_gateway.outages import AWAY, drain, without_broker
from tests.support.eventually import eventually
from tests.support.signing import signed
from tests.support.stack import Place

pytestmark = pytest.mark.usefixtures("hook_secret")


async def test_a_broker_that_is_away_delays_a_webhook_and_loses_nothing(
    topics: Place, payloads: Path, serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    received = await reader_for("webhooks.received")
    edge = await serve_edge(without_broker(topics))
    place = await hook(edge)
    answers = [await edge.http.post(place, **signed(ORDER, name)) for name in ("msg_1", "msg_2", "msg_1")]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert not received.records
    await drain(topics, payloads, producer, edge.database)
    await eventually(lambda: [event["sender_id"] for event in received.values] == ["msg_1", "msg_2"])


async def test_a_database_that_is_away_loses_nothing_either(
    serve_edge: ServeEdge, producer: Producer, reader_for: ReaderFor
) -> None:
    """Repetitions then come through under one id, by which consumers know them."""
    received = await reader_for("webhooks.received")
    edge = await serve_edge(producer)
    place = await hook(edge)
    await edge.database.close()
    answers = [await edge.http.post(place, **signed(ORDER, "msg_1")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    await eventually(lambda: len(received.records) == 2)
    assert len({dict(record.headers)["ce_id"] for record in received.records}) == 1


async def test_what_nobody_can_keep_is_not_accepted(topics: Place, serve_edge: ServeEdge) -> None:
    edge = await serve_edge(without_broker(topics))
    place, before = await hook(edge), counted("acme", "not_kept")
    await edge.database.close()
    answer = await edge.http.post(place, **signed(ORDER, "msg_1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"
    assert counted("acme", "not_kept") == before + 1


async def test_an_edge_that_never_saw_its_hooks_says_nothing_of_them(serve_edge: ServeEdge, producer: Producer) -> None:
    edge = await serve_edge(producer, AWAY)
    assert (await edge.http.post("/in/acme", **signed(ORDER, "msg_1"))).status_code == 503
