"""The callback URL goes out only where it is asked for; what a submit's end means for whoever waits."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.fetcher.call.messages import Change, changed, given_up, stored
from services.fetcher.call.vendor_jobs import call_of, is_unknown, read_heard
from services.fetcher.enqueue.decide import is_repeatable
from services.fetcher.model import Claimed
from shared.events.payloads import Pointer, Processing
from shared.events.tasks import Attempt, Call, FetchRequested, SubmitWanted, TaskState
from shared.specification.vendor import JobOutcome
from shared.tokens import Claim, read_token

TASK = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = timedelta(hours=1)
KEY = b"key"


def requested(purpose: Any = "submit", call: Call | None = None, **more: Any) -> FetchRequested:
    place = {"task_id": TASK, "job_id": UUID(int=2), "number": 0, "round": 3, "vendor": "acme"}
    submit = SubmitWanted(vendor_job="body.id", deadline=DEADLINE, template=True) if purpose == "submit" else None
    fields = {**place, "purpose": purpose, "call": call or Call(), "submit": submit, **more}
    return FetchRequested(**fields, processing=Processing(source="s"))


def claimed(request: FetchRequested) -> Claimed:
    origin = {"topic": "t", "partition": 0, "offset": 0, "delivery": 0}
    return Claimed(UUID(int=3), request, b"{}", origin, None, False, 1, 1, NOW, None, NOW, 0)


def called(call: Call) -> Call:
    return call_of(requested(call=call), "https://me.example/", lambda: KEY, NOW)


def test_the_callback_url_stands_wherever_it_is_asked_for() -> None:
    call = Call(
        path="/x/{callback.url}",
        query={"to": "{callback.url}"},
        headers={"X-To": "<{callback.url}>"},
        body={"a": [{"url": "{callback.url}"}], "n": 1},
    )
    made = called(call)
    url = str(made.query["to"])
    start = "https://me.example/callbacks/acme/"
    assert url.startswith(start)
    assert read_token(KEY, url.removeprefix(start)) == Claim(TASK, 3, NOW + DEADLINE)
    assert made.headers == {"X-To": f"<{url}>"}
    assert made.body == {"a": [{"url": url}], "n": 1}
    assert "/" not in made.path.removeprefix("/x/") and made.path.startswith("/x/https%3A%2F%2Fme.example")


def test_only_placeholders_of_the_template_are_filled() -> None:
    """Braces of values are written twice in it; a request that is none is sent as it is."""
    call = Call(path="/%7Bcallback.url%7D", query={"q": "{{callback.url}}"}, body=["{task.id}", "{{", "a}}b", "{}"])
    submit = SubmitWanted(deadline=DEADLINE, template=True)
    made = call_of(requested(call=call, submit=submit), "https://me.example", lambda: KEY, NOW)
    assert (made.path, made.query) == ("/%7Bcallback.url%7D", {"q": "{callback.url}"})
    assert made.body == [f"{TASK}-3", "{", "a}b", "{}"]
    plain = submit.model_copy(update={"template": False})
    assert call_of(requested(call=call, submit=plain), "https://me.example", lambda: KEY, NOW) == call


def test_the_tasks_id_is_the_same_for_all_attempts_and_another_one_in_the_next_round() -> None:
    call = Call(path="/x/{task.id}", headers={"Idempotency-Key": "{task.id}"}, body={"n": ["{task.id}"]})

    def keys(round: int) -> list[str]:
        made = call_of(requested(call=call).model_copy(update={"round": round}), "https://me.example", lambda: KEY, NOW)
        return [made.path.removeprefix("/x/"), made.headers["Idempotency-Key"], made.body["n"][0]]

    assert keys(0) == [str(TASK)] * 3
    assert keys(1) == keys(1) == [f"{TASK}-1"] * 3


def test_a_call_without_a_callback_url_needs_no_key() -> None:
    def no_key() -> bytes:
        raise AssertionError

    assert call_of(requested(call=Call(path="/x")), "https://me.example", no_key, NOW) == Call(path="/x")


def test_a_callback_url_is_good_for_the_deadline_from_when_the_call_leaves() -> None:
    submit = SubmitWanted(deadline=timedelta(minutes=5), template=True)
    request = requested(call=Call(path="/{callback.url}")).model_copy(update={"submit": submit})
    made = call_of(request, "https://me.example", lambda: KEY, NOW + timedelta(days=1))
    claim = read_token(KEY, made.path.rpartition("%2F")[2])
    assert claim == Claim(TASK, 3, NOW + timedelta(days=1, minutes=5))


@pytest.mark.parametrize(
    ("body", "vendor_job"),
    [({"id": "r1"}, "r1"), ({"id": 7}, "7"), ({"id": True}, None), ({"id": ""}, None), (None, None)],
)
def test_the_vendors_id_in_the_submits_answer(body: Any, vendor_job: str | None) -> None:
    heard = read_heard(requested(), 202, {}, body)
    assert heard.vendor_job == vendor_job
    assert heard.reason.startswith("vendor_job_missing") == (vendor_job is None)


@pytest.mark.parametrize(("state", "reported"), [("ok", "done"), ("bad", "failed"), ("on", None)])
def test_an_answer_about_the_status(state: str, reported: str | None) -> None:
    rules = JobOutcome(done="body.state == 'ok'", failed="body.state == 'bad'")
    assert read_heard(requested("status", status=rules), 200, {}, {"state": state}).reported == reported


@pytest.mark.parametrize(
    ("reason", "sent", "unknown"),
    [
        ("outcome_unknown: timeout", True, True),
        ("outcome_unknown: the vendor answered 500", False, True),
        ("attempts_exhausted: 3 attempts, the last one: timeout", True, True),
        ("too_large: the body is larger than 10 bytes", True, True),
        ("refused_422: the vendor answered 422", False, False),
        ("connect_failed", False, False),
        ("ssrf_blocked: the redirect leads elsewhere", True, False),
        ("outcome_rule_500: the vendor's answer is a failure by rule", True, False),
    ],
)
def test_what_may_have_reached_the_vendor_is_waited_for(reason: str, sent: bool, unknown: bool) -> None:
    assert is_unknown(reason, sent=sent) is unknown


@pytest.mark.parametrize(
    ("purpose", "unknown", "told"),
    [
        ("submit", True, [("task.changed", "waiting")]),
        ("submit", False, [("task.changed", "dead"), ("dead_letter", None)]),
        ("status", False, [("task.changed", "waiting")]),
        ("abort", False, [("dead_letter", None)]),
        ("page", True, [("task.changed", "dead"), ("dead_letter", None)]),
    ],
)
def test_what_is_told_of_a_call_that_was_given_up(
    purpose: str, unknown: bool, told: list[tuple[str, str | None]]
) -> None:
    call = claimed(requested(purpose))
    attempt = Attempt(attempt=1, started_at=NOW, seconds=0.0, verdict="give_up", reason="timeout")
    values = [orjson.loads(one.value or b"") for one in given_up(call, "timeout", attempt, NOW, unknown=unknown)]
    assert [(value["type"], value.get("state")) for value in values] == told


def test_a_call_with_an_idempotency_key_may_be_sent_again() -> None:
    plain = requested("answer").model_copy(update={"call": Call(method="POST")})
    keyed = plain.model_copy(update={"call": Call(method="POST", headers={"Idempotency-Key": "1"})})
    assert not is_repeatable(plain)
    assert is_repeatable(keyed)
    for purpose in ("deliver", "page", "metadata", "status"):
        assert is_repeatable(plain.model_copy(update={"purpose": purpose})), purpose
    assert not is_repeatable(plain.model_copy(update={"purpose": "submit"}))


def test_what_becomes_of_a_call_carries_the_correlation_id_of_its_job() -> None:
    correlation_id = UUID(int=9)
    call = claimed(requested("page", correlation_id=correlation_id))
    pointer = Pointer(uri="x", sha256="x", size=1)
    for message in (changed(call, Change(TaskState.STARTED), NOW), stored(call, pointer, NOW, NOW)):
        assert orjson.loads(message.value or b"")["correlation_id"] == str(correlation_id)
