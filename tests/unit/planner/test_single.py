"""Jobs of one call: what is accepted and what is called."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.planner.accept.decide import Admitted, Configured, Refused, Unknown, admit
from services.planner.model import Resolved
from services.planner.single import WEBHOOK_RETRY
from shared.specification.vendor import Timeouts, Vendor

JOB = UUID(int=1)
ACME = Vendor(vendor="acme", base_url="https://acme.example/v2").model_dump_json(by_alias=True).encode()
KNOWN = Configured(vendors={"acme": ACME}, sources={})


def admitted(document: dict[str, Any]) -> Admitted:
    found = admit(JOB, document, KNOWN)
    assert isinstance(found, Admitted), found
    stored = found.resolved.model_dump_json(by_alias=True, exclude_defaults=True)
    assert Resolved.model_validate_json(stored) == found.resolved
    return found


def test_a_request_is_one_call_with_its_placeholders_filled() -> None:
    request = {"method": "POST", "path": "/quotes/{parameters.sku}", "json": {"count": "{parameters.count}"}}
    job = admitted({"vendor": "acme", "request": request, "parameters": {"sku": "a/b", "count": 3}})
    [task] = job.tasks
    assert (job.resolved.kind, task.planned.purpose, job.step.all_planned) == ("request", "answer", True)
    assert (task.planned.call.path, task.planned.call.body) == ("/quotes/a%2Fb", {"count": 3})


def test_a_webhook_goes_to_its_url_with_patience() -> None:
    job = admitted({"deliver": "https://me.example/hook?x=1", "event": {"type": "done"}, "secret": "env:S"})
    [task] = job.tasks
    assert (job.resolved.kind, job.resolved.vendor, task.planned.purpose) == ("deliver", "url:me.example", "deliver")
    assert task.planned.call.url == "https://me.example/hook?x=1"
    assert job.resolved.single is not None
    assert job.resolved.single.retry is not None
    assert job.resolved.single.retry.attempts == 10


def test_a_webhook_to_a_vendor_is_tried_by_its_policy_if_it_has_one() -> None:
    document = {"deliver": "https://acme.example/v2/hook", "event": {}, "vendor": "acme"}
    patient, own = admitted(document).resolved.single, {"vendor": "acme", "base_url": "https://acme.example/v2"}
    vendor = Vendor.model_validate({**own, "retry": {"attempts": 3}}).model_dump_json(by_alias=True).encode()
    found = admit(JOB, document, Configured(vendors={"acme": vendor}, sources={}))
    assert isinstance(found, Admitted)
    assert patient is not None
    assert found.resolved.single is not None
    assert (patient.retry, found.resolved.single.retry) == (WEBHOOK_RETRY, None)


def test_ten_attempts_at_a_webhook_last_into_the_next_morning_and_no_longer_than_a_day() -> None:
    """Waits are random up to the longest, so that half of them is what they are together as a rule."""
    calls = WEBHOOK_RETRY.attempts * Timeouts().total
    waits, policy = range(WEBHOOK_RETRY.attempts - 1), WEBHOOK_RETRY.backoff
    longest = [min(policy.base * policy.factor**wait, policy.cap) for wait in waits]
    assert sum(longest, calls) <= WEBHOOK_RETRY.total <= timedelta(days=1)
    assert sum(longest, timedelta()) / 2 >= timedelta(hours=10)
    assert longest[0] <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"vendor": "acme", "request": {"path": "/{nothing}"}}, "/request/path"),
        ({"deliver": "https://elsewhere.example/x", "event": {}, "vendor": "acme"}, "/deliver"),
        ({"deliver": "ftp://me.example", "event": {}}, "/deliver"),
    ],
)
def test_mistakes_are_told(document: dict[str, Any], pointer: str) -> None:
    found = admit(JOB, document, KNOWN)
    assert isinstance(found, Refused)
    assert [problem.pointer for problem in found.problems] == [pointer]


def test_an_unknown_vendor_may_be_on_its_way() -> None:
    assert isinstance(admit(JOB, {"vendor": "acne", "request": {"path": "/"}}, KNOWN), Unknown)
