"""Signatures of every scheme: published vectors, and one suite of what must hold for all of them."""

import base64
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.callback_gateway.verify.scheme import verify
from services.callback_gateway.verify.verdict import Forged, Reason, Verified
from shared.specification.verification import Verification

SCHEMES: TypeAdapter[Verification] = TypeAdapter(Verification)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"order": 7, "name": "caf\xc3\xa9"}\r\n'
OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([byte]) * 24).decode() for byte in (1, 2, 3))


def scheme(kind: str, **more: Any) -> Verification:
    return SCHEMES.validate_python({"scheme": kind, "secrets": ["env:A"], **more})


def test_the_vector_of_standard_webhooks() -> None:
    """Of the reference implementation's own tests."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret, body, now = (
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        datetime.fromtimestamp(1614265330, UTC),
    )
    for secrets in ([secret], [f"whsec_{secret}"], [OTHER, secret]):
        assert verify(scheme("standard-webhooks"), secrets, headers, body, now) == Verified(
            "msg_p5jXN8AQM9LWM0D4loKWxJek"
        )
    assert isinstance(verify(scheme("standard-webhooks"), [secret], headers, body + b" ", now), Forged)


def test_the_vector_of_github() -> None:
    """Of GitHub's page about validating deliveries."""
    headers = {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    }
    verdict = verify(scheme("github"), ["It's a Secret to Everybody"], headers, b"Hello, World!", NOW)
    assert verdict == Verified("72d3162e-cc78-11e3-81ab-4c9367dc0958")


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ],
)
def test_the_vectors_of_the_rfcs(algorithm: str, signature: str) -> None:
    """RFC 4231 and RFC 2202, test case 2."""
    plain = scheme("hmac", header="X-Signature", algorithm=algorithm)
    headers = {"x-signature": signature}
    assert verify(plain, ["Jefe"], headers, b"what do ya want for nothing?", NOW) == Verified()
    assert (
        verify(plain, ["Jefe"], {"x-signature": signature.upper()}, b"what do ya want for nothing?", NOW) == Verified()
    )


@pytest.mark.parametrize("prefix", ["HMAC ", "Signature keyId=a,signature="])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_prefix_may_have_blanks_and_commas(prefix: str, encoding: str) -> None:
    """As in `Authorization: HMAC <base64>`."""
    spaced = scheme("hmac", header="Authorization", prefix=prefix, encoding=encoding)

    def written(secret: str) -> str:
        mac = hmac.digest(secret.encode(), BODY, "sha256")
        return prefix + (mac.hex() if encoding == "hex" else base64.b64encode(mac).decode())

    for header in (written(NEW), f"{written(OTHER)}, {written(NEW)}", f"{written(OTHER)},{written(NEW)}"):
        assert verify(spaced, [NEW], {"authorization": header}, BODY, NOW) == Verified()
    for header in (written(NEW).removeprefix(prefix), written(OTHER), prefix, f"x{written(NEW)}"):
        assert reason(verify(spaced, [NEW], {"authorization": header}, BODY, NOW)) is Reason.WRONG


@dataclass(frozen=True)
class Case:
    """One scheme, and how its senders write their headers."""

    scheme: Verification
    sign: Callable[[str, bytes, datetime], dict[str, str]]
    signature: str
    time: str | None = None
    both: Callable[[Sequence[str]], str] = " ".join

    def __str__(self) -> str:
        return f"{self.scheme.scheme}-{self.signature}"


def standard(secret: str, body: bytes, time: datetime) -> dict[str, str]:
    stamp = str(int(time.timestamp()))
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), f"msg_1.{stamp}.".encode() + body, "sha256")
    signature = f"v1a,{'A' * 88} v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature}


def stamped(secret: str, body: bytes, time: datetime) -> dict[str, str]:
    stamp = str(int(time.timestamp()))
    mac = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha512")
    return {"x-time": stamp, "x-mac": base64.b64encode(mac).decode()}


def stripe(secret: str, body: bytes, time: datetime) -> dict[str, str]:
    stamp = str(int(time.timestamp()))
    mac = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    return {"stripe-signature": f"t={stamp},v1={mac},v0={'6f' * 32}"}


def stripes(headers: Sequence[str]) -> str:
    """Of the same time, as Stripe sends them while a secret is rolled."""
    stamp, *_ = headers[0].split(",")
    return ",".join([stamp, *(one.split(",")[1] for one in headers)])


def plain(header: str, prefix: str) -> Callable[[str, bytes, datetime], dict[str, str]]:
    return lambda secret, body, _: {header: prefix + hmac.digest(secret.encode(), body, "sha256").hex()}


CASES = [
    Case(scheme("standard-webhooks"), standard, "webhook-signature", "webhook-timestamp"),
    Case(
        scheme("hmac", header="X-Mac", algorithm="sha512", encoding="base64", timestamp="X-Time"),
        stamped,
        "x-mac",
        "x-time",
    ),
    Case(scheme("hmac", header="X-Signed", prefix="v1="), plain("x-signed", "v1="), "x-signed"),
    Case(scheme("github"), plain("x-hub-signature-256", "sha256="), "x-hub-signature-256"),
    Case(scheme("stripe"), stripe, "stripe-signature", "stripe-signature", stripes),
    Case(scheme("token"), lambda secret, *_: {"authorization": f"bearer {secret}"}, "authorization"),
    Case(scheme("token", header="X-Token", prefix=""), lambda secret, *_: {"x-token": secret}, "x-token"),
]
every_scheme = pytest.mark.parametrize("case", CASES, ids=str)
timed = pytest.mark.parametrize("case", [case for case in CASES if case.time], ids=str)
signed = pytest.mark.parametrize("case", [case for case in CASES if case.scheme.scheme != "token"], ids=str)


def reason(verdict: object) -> Reason:
    assert isinstance(verdict, Forged)
    return verdict.reason


@every_scheme
def test_any_secret_in_force_will_do(case: Case) -> None:
    for secret in (OLD, NEW):
        assert isinstance(verify(case.scheme, [OLD, NEW], case.sign(secret, BODY, NOW), BODY, NOW), Verified)


@every_scheme
def test_another_secret_will_not(case: Case) -> None:
    assert reason(verify(case.scheme, [OLD, NEW], case.sign(OTHER, BODY, NOW), BODY, NOW)) is Reason.WRONG
    for none in ([], [""]):
        assert reason(verify(case.scheme, none, case.sign(OTHER, BODY, NOW), BODY, NOW)) is Reason.WRONG


@signed
def test_another_body_will_not(case: Case) -> None:
    headers = case.sign(OLD, BODY, NOW)
    for body in (b"", BODY[:-1], BODY.strip(), BODY.replace(b"7", b"8")):
        assert reason(verify(case.scheme, [OLD], headers, body, NOW)) is Reason.WRONG


@signed
def test_several_signatures_may_stand_in_the_header(case: Case) -> None:
    old, new = case.sign(OTHER, BODY, NOW), case.sign(NEW, BODY, NOW)
    both = {**new, case.signature: case.both([old[case.signature], new[case.signature]])}
    assert isinstance(verify(case.scheme, [NEW], both, BODY, NOW), Verified)
    buried = {**new, case.signature: case.both([*[old[case.signature]] * 8, new[case.signature]])}
    assert reason(verify(case.scheme, [NEW], buried, BODY, NOW)) is Reason.WRONG


@every_scheme
def test_what_is_not_there_is_missing(case: Case) -> None:
    headers = case.sign(OLD, BODY, NOW)
    for name in (case.signature, case.time):
        if name:
            assert reason(verify(case.scheme, [OLD], {**headers, name: ""}, BODY, NOW)) is Reason.MISSING
    assert reason(verify(case.scheme, [OLD], {}, BODY, NOW)) is Reason.MISSING


@timed
def test_a_signed_time_must_be_near(case: Case) -> None:
    for minutes, near in ((-6, False), (-4, True), (4, True), (6, False)):
        headers = case.sign(OLD, BODY, NOW + timedelta(minutes=minutes))
        verdict = verify(case.scheme, [OLD], headers, BODY, NOW)
        assert isinstance(verdict, Verified) if near else reason(verdict) is Reason.EXPIRED


@timed
def test_a_time_that_is_none_is_malformed(case: Case) -> None:
    headers = case.sign(OLD, BODY, NOW)
    for time in ("abc", "-1", "1e20", "9" * 400, "1.5", "٣", " ", "0x10"):
        assert case.time is not None
        assert reason(verify(case.scheme, [OLD], {**headers, case.time: time}, BODY, NOW)) is Reason.MALFORMED


@pytest.mark.parametrize("time", ["", "t=,", "t=abc,", "t=1.5,", "t=1,t=1,", "T=1772366400,"])
def test_stripes_time_stands_once_among_the_signatures(time: str) -> None:
    _, rest = stripe(OLD, BODY, NOW)["stripe-signature"].split(",", 1)
    verdict = verify(scheme("stripe"), [OLD], {"stripe-signature": f"{time}{rest}"}, BODY, NOW)
    assert reason(verdict) is Reason.MALFORMED


def test_other_signatures_of_stripe_prove_nothing() -> None:
    """`v0` is for its tests; whoever could choose the version could choose a weaker one."""
    given = stripe(OLD, BODY, NOW)["stripe-signature"].replace("v1=", "v2=").replace("v0=", "v1=")
    assert reason(verify(scheme("stripe"), [OLD], {"stripe-signature": given}, BODY, NOW)) is Reason.WRONG


@pytest.mark.parametrize("sender_id", ["a.b", "a b", "a\nb", "é", "x" * 256])
def test_ids_that_could_be_read_in_two_ways_are_malformed(sender_id: str) -> None:
    headers = {**standard(OLD, BODY, NOW), "webhook-id": sender_id}
    assert reason(verify(scheme("standard-webhooks"), [OLD], headers, BODY, NOW)) is Reason.MALFORMED


@given(text=st.text(), secret=st.binary().map(os.fsdecode), body=st.binary())
def test_no_header_raises(text: str, secret: str, body: bytes) -> None:
    for case in CASES:
        good = case.sign(OLD, BODY, NOW)
        for name in good:
            assert isinstance(verify(case.scheme, [secret, OTHER], {**good, name: text}, body, NOW), Verified | Forged)


def test_a_secret_of_any_bytes_can_be_used() -> None:
    raw = b"caf\xe9"
    secret = raw.decode("utf-8", errors="surrogateescape")
    plain_scheme = scheme("hmac", header="X-Mac")
    assert verify(plain_scheme, [secret], {"x-mac": hmac.digest(raw, BODY, "sha256").hex()}, BODY, NOW) == Verified()
    assert verify(scheme("token"), [secret], {"authorization": "Bearer caf\xe9"}, BODY, NOW) == Verified()
