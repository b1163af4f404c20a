"""Expressions: mistakes are told when they are written, the rest where they cannot be applied."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.specification.expressions import NotApplicable, evaluate, holds
from shared.specification.values import Expression

CHECK: TypeAdapter[str] = TypeAdapter(Expression)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("body[", "Invalid jmespath expression"),
        ("body[::0]", "the step of a slice cannot be 0"),
        ("body.items[?a].{x: b[1:2:0]}", "the step of a slice cannot be 0"),
        ("nope(body)", r"there is no function nope\(\)"),
        ("body.items[].abs(a, b)", r"abs\(\) takes 1 arguments, not 2"),
        ("not_null()", r"not_null\(\) takes 1 arguments or more, not 0"),
        ("(" * 5000 + "a" + ")" * 5000, "at most 2000"),
    ],
)
def test_mistakes(expression: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CHECK.validate_python(expression)


@pytest.mark.parametrize("expression", ["body[::-1]", "not_null(a, b, c)", "sort_by(body, &a)", "[?a == `1`] | [0]"])
def test_good_ones(expression: str) -> None:
    assert CHECK.validate_python(expression) == expression


def test_what_cannot_be_applied_is_told() -> None:
    for expression in ("abs(body)", "floor(to_number('1e999'))", "sort(body)"):
        with pytest.raises(NotApplicable, match=expression.split("(", maxsplit=1)[0]):
            evaluate(expression, {"body": {"a": 1}})
    assert evaluate("body.b.c", {"body": {"a": 1}}) is None


@pytest.mark.parametrize(
    ("value", "true"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False), (0, True), (0.0, True), (True, True)],
)
def test_truth_is_jmespaths(value: Any, true: bool) -> None:
    assert holds("body", {"body": value}) is true
    assert bool(evaluate("body && `1`", {"body": value}) == 1) is true


@pytest.mark.parametrize("expression", ["abs(body)", "sort_by(body, &x)", "sum(body[0])", "to_number(body) > `1`"])
def test_what_is_told_repeats_nothing_of_the_document(expression: str) -> None:
    for body in ("s3cret", ["s3cret", 1], {"x": "s3cret"}):
        try:
            evaluate(expression, {"body": body})
        except NotApplicable as error:
            assert "s3cret" not in str(error)
