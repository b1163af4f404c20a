"""The receiver of webhooks as a judge."""

from typing import Any

import pytest

from infra.simulator.receiver import Receiver, ReceiverConfig
from infra.simulator.signatures import sign_standard
from infra.simulator.wire import Request

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
NOW = 1_614_265_330.0


def post(body: bytes = BODY, **headers: str) -> Request:
    return Request(
        "POST", "/receive/x", "127.0.0.1", {n.replace("_", "-").encode(): v for n, v in headers.items()}, body
    )


def signed(message: str = "msg_1", body: bytes = BODY, *, secret: str = SECRET, at: float = NOW) -> Request:
    headers = sign_standard(secret, message, int(at), body)
    return post(body, **{name.replace("-", "_"): value for name, value in headers.items()})


def status(receiver: Receiver, request: Request) -> int | None:
    data = receiver.receive(request, wall=NOW).data
    return int(data.split(b" ", 2)[1]) if data else None


def test_the_specification_s_own_example_is_valid() -> None:
    example = post(
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        webhook_timestamp="1614265330",
        webhook_signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    )
    assert status(Receiver("x", ReceiverConfig(secret=SECRET)), example) == 204


def test_several_signatures_are_looked_through() -> None:
    request = signed()
    mixed = {**request.headers, b"webhook-signature": f"v1a,abc v1,bm9wZQ== {request.headers[b'webhook-signature']}"}
    receiver = Receiver("x", ReceiverConfig(secret=SECRET))
    assert status(receiver, Request("POST", "/", "a", mixed, BODY)) == 204


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        (signed(secret="whsec_c29tZWJvZHkgZWxzZSdzIGtleQ=="), "invalid"),
        (signed(at=NOW - 301), "invalid"),
        (signed(at=NOW + 301), "invalid"),
        (Request("POST", "/", "a", signed().headers, BODY + b" "), "invalid"),
        (post(webhook_id="m", webhook_timestamp="soon", webhook_signature="v1,é"), "invalid"),
        (post(), "unsigned"),
    ],
)
def test_what_is_not_signed_as_it_should_be_is_refused(request_: Request, verdict: str) -> None:
    receiver = Receiver("x", ReceiverConfig(secret=SECRET))
    assert status(receiver, request_) == 401
    assert receiver.report()["by_signature"] == {verdict: 1}


def test_each_message_fails_so_often_before_it_is_taken() -> None:
    receiver = Receiver("x", ReceiverConfig(secret=SECRET, fail_first=2, fail_status=503, fail_retry_after=3))
    assert b"Retry-After: 3\r\n" in receiver.receive(signed(), wall=NOW).data
    assert [status(receiver, signed()) for _ in range(2)] == [503, 204]
    assert status(receiver, signed("msg_2")) == 503
    told: Any = receiver.report()
    assert told["messages"]["distinct"] == 2
    assert told["accepted"]["distinct"] == 1
    assert [entry["status"] for entry in told["log"]] == [503, 503, 204, 503]
    assert told["log"][0]["body"] == {"test": 2432232314}


def test_messages_may_hang_or_be_dropped() -> None:
    hanging = Receiver("x", ReceiverConfig(fail_first=1, fail="hang", hang_seconds=9.0)).receive(post(), wall=NOW)
    assert (hanging.data, hanging.wait_seconds, hanging.close) == (b"", 9.0, True)
    dropped = Receiver("x", ReceiverConfig(fail_first=1, fail="drop")).receive(post(), wall=NOW)
    assert (dropped.data, dropped.wait_seconds, dropped.close) == (b"", 0.0, True)


def test_a_receiver_may_be_gone_or_moved() -> None:
    assert status(Receiver("x", ReceiverConfig(status=410)), post()) == 410
    assert b"Location: " in Receiver("x", ReceiverConfig(status=302)).receive(post(), wall=NOW).data
    assert status(Receiver("x", ReceiverConfig()), Request("GET", "/receive/x", "a", {})) == 405
