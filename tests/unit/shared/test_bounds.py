"""A document of 1 MiB with very many mistakes is refused at once: they are not written down one by one."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.errors import Invalid
from shared.events.jobs import JobControl
from shared.specification.hook import Hook
from shared.specification.job import JobSpecification
from shared.specification.parse import parse
from shared.specification.vendor import Vendor

MANY = 100_000
JOB: TypeAdapter[Any] = TypeAdapter(JobSpecification)
OBJECTS: dict[str, Any] = {str(number): {} for number in range(MANY)}
LIST: list[Any] = [{}] * MANY


def request(**fields: Any) -> dict[str, Any]:
    return {"vendor": "acme", "request": fields}


def poll(**fields: Any) -> dict[str, Any]:
    return {"vendor": "acme", "poll": {"request": {}}, **fields}


@pytest.mark.parametrize(
    ("adapter", "document", "detail"),
    [
        (JOB, request(query=OBJECTS), "100000 of these values are none"),
        (JOB, request(query={"a": LIST}), "100000 of these values are none"),
        (JOB, request(query={str(number): [] for number in range(MANY)}), "100000 of these values are none"),
        (JOB, request(headers={f"{number} ": "" for number in range(MANY)}), "at most 100 of them, got 100000"),
        (JOB, {"source": "a", "parameters": OBJECTS}, "at most 100 of them, got 100000"),
        (JOB, {"source": "a", "input": [OBJECTS]}, "100000 of these values are none"),
        (JOB, {"source": "a", "input": LIST}, "at most 10000 of them, got 100000"),
        (JOB, {"source": "a", "notify": LIST}, "at most 8 of them, got 100000"),
        (JOB, poll(sinks=LIST), "at most 8 of them, got 100000"),
        (JOB, {**request(), "answer": {"headers": LIST}}, "at most 20 of them, got 100000"),
        (TypeAdapter(Hook), {"start": {"parameters": OBJECTS}}, "at most 100 of them, got 100000"),
        (TypeAdapter(Vendor), {"budget": {"windows": LIST}}, "at most 8 of them, got 100000"),
        (TypeAdapter(Vendor), {"outcomes": LIST}, "at most 50 of them, got 100000"),
        (TypeAdapter(Vendor), {"egress": LIST}, "at most 50 of them, got 100000"),
        (TypeAdapter(JobControl), {"task_ids": LIST}, "at most 1000 of them, got 100000"),
    ],
)
def test_what_has_too_many_members_is_not_read(adapter: TypeAdapter[Any], document: Any, detail: str) -> None:
    with pytest.raises(ValidationError) as error:
        adapter.validate_python(document)
    assert error.value.error_count() < 100
    with pytest.raises(Invalid) as refused:
        parse(adapter, document)
    assert any(detail in problem.detail for problem in refused.value.problems)


def test_more_mistakes_than_are_named_are_counted() -> None:
    with pytest.raises(Invalid) as refused:
        parse(JOB, request(**{f"x{number}": 0 for number in range(MANY)}))
    [problem] = refused.value.problems
    assert (problem.pointer, problem.detail) == ("", "expected at most 5000 mistakes, got 100000")


def test_values_of_every_kind_are_read_however_many_they_are() -> None:
    values = {str(number): [1, 0.5, "x", True] for number in range(MANY // 10)}
    assert len(parse(JOB, request(query=values)).request.query) == MANY // 10


def test_an_input_may_be_empty() -> None:
    assert parse(JOB, {"source": "a", "input": [{}] * 10_000}).input == ({},) * 10_000
