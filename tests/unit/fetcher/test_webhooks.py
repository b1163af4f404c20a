"""Outgoing webhooks: signatures as the standard's own examples have them, and what a receiver's refusal means."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.callback_gateway.verify.scheme import verify
from services.callback_gateway.verify.verdict import Verified
from services.fetcher.call.decide import GiveUp, RetryAt, Try, Verdict
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.webhooks import judge, sign
from shared.secrets import signing_key
from shared.specification.vendor import Vendor
from shared.specification.verification import StandardWebhooks

NOW = datetime.fromtimestamp(1_614_265_330, UTC)
VENDOR = Vendor(vendor="v", base_url="https://v.example", retry={"attempts": 3})
FIRST = Try(attempt=1, first_at=NOW, limited_since=None, repeatable=True)


@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_a_receiver_that_verifies_by_the_standard_takes_it(prefix: str) -> None:
    """The gateway's own verification has the standard's published vectors; what we send must pass it."""
    secret = f"{prefix}MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    request = HttpRequest("POST", "https://v.example/", {}, b'{"test": 2432232314}')
    signed = sign(request, UUID(int=7), signing_key(secret), NOW)
    assert signed.headers["webhook-id"] == f"msg_{UUID(int=7).hex}"
    scheme = StandardWebhooks(scheme="standard-webhooks", secrets=("env:X",))
    verdict = verify(scheme, [secret], dict(signed.headers), request.body or b"", NOW)
    assert isinstance(verdict, Verified)
    forged = verify(scheme, [secret], dict(signed.headers), b"{}", NOW)
    assert not isinstance(forged, Verified)


def test_the_id_stays_and_the_time_moves() -> None:
    request = HttpRequest("POST", "https://v.example/", {}, b"{}")
    first, later = (sign(request, UUID(int=7), b"s", NOW + timedelta(seconds=number)) for number in (0, 1))
    assert first.headers["webhook-id"] == later.headers["webhook-id"]
    assert first.headers["webhook-signature"] != later.headers["webhook-signature"]


def test_without_a_secret_nothing_is_signed() -> None:
    signed = sign(HttpRequest("POST", "https://v.example/", {"a": "b"}, None), UUID(int=1), None, NOW)
    assert set(signed.headers) == {"a", "webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize(
    ("status", "kind"), [(400, RetryAt), (401, RetryAt), (404, RetryAt), (501, RetryAt), (410, GiveUp), (None, GiveUp)]
)
def test_only_a_receiver_that_is_gone_is_not_asked_again(status: int | None, kind: type[Verdict]) -> None:
    assert isinstance(judge(GiveUp("refused"), status, VENDOR, FIRST, NOW, 0.5), kind)


def test_attempts_of_a_webhook_end() -> None:
    last = Try(attempt=3, first_at=NOW, limited_since=None, repeatable=True)
    assert isinstance(judge(GiveUp("refused_404"), 404, VENDOR, last, NOW, 0.5), GiveUp)
