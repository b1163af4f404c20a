"""Expressions: mistakes are told when they are written, the rest where they cannot be applied."""

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.specification import evaluation
from shared.specification.expressions import FindsTooMuch, NotApplicable, evaluate, found_in, holds
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
        ("body.g | join(@.sep, @.list)", r"the first argument of join\(\) must be written out"),
        ("[&[@, @][], body] | [map([0], [1])]", "& stands only before an argument of map, max_by, min_by, sort_by"),
    ],
)
def test_mistakes(expression: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        CHECK.validate_python(expression)


@pytest.mark.parametrize("expression", ["body[::-1]", "not_null(a, b, c)", "sort_by(body, &a)", "[?a == `1`] | [0]"])
def test_good_ones(expression: str) -> None:
    assert CHECK.validate_python(expression) == expression


@pytest.mark.parametrize(
    "expression",
    [
        "body" + "|[@,@][]" * 40,
        "body" + "|[@,@]" * 40,
        "body" + ".[@,@]" * 40,
        "body" + "|{a: @, b: @}" * 40,
        "body" + "|[[@,@][],@][0]" * 40,
        "body[*]" + ".[@,@][]" * 40,
        "body.*" + ".[@,@][]" * 40,
        "body[?" + "@" + "|[@,@][]" * 40 + "]",
        "length(@" + "|[@,@][]" * 40 + ")",
        "[@" + "|[@,@][]" * 40 + "][?a].b",
        "body" + "|map(&[@,@][], @)[]" * 40,
        "sort_by(body, &length([" + "@,@][]|[" * 40 + "@]))",
        "body" + "|[*].[`[0,0,0,0]`][][]" * 20,
        "to_string([" * 20 + "@" + "])" * 20,
        "join('" + "x" * 300 + "', body[*].[@,@,@,@][])",
        "body" + "|join('xx', [@, @, @])" * 12,
    ],
)
def test_what_would_grow_without_bound_is_refused(expression: str) -> None:
    with pytest.raises(ValidationError, match="1000 times"):
        CHECK.validate_python(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "join(', ', body.items[].name)",
        "body.items[?status == 'completed' && total > `100` && !contains(tags, 'test')].{id: id, total: total}",
        "body.data[].lines[].taxes[].{rate: rate, name: name} | sort_by(@, &rate)[-1]",
        "body." + "a." * 900 + "a",
        "body.items[].{" + ", ".join(f"field_{n}: details.field_{n}" for n in range(40)) + "}",
        "body.items[].{id: id, to: address.{street: street, city: city, zip: zip}, text: to_string(lines)}",
        "map(&{id: id, kind: 'order'}, max_by(body.groups, &length(items)).items)",
        "body.state || body.status || body.data.state || body.data.status || 'unknown'",
    ],
)
def test_ordinary_ones_pass(expression: str) -> None:
    assert CHECK.validate_python(expression) == expression


TEN = f"[{', '.join('@' * 10)}]"


@pytest.mark.parametrize(
    "expression",
    [
        f"body | {TEN}[] | {TEN}[] | {TEN}[]",
        f"body | {TEN} | {TEN} | {TEN}",
        f"body[].{{a: {TEN}[], b: {TEN}[]}} | {TEN}",
        f"length(to_string(body | {TEN} | {TEN}))",
        f"map(&{TEN}, body)[] | {TEN}[] | [@, @][]",
        "[" + ", ".join(["body[:]"] * 150) + "] | [0]",
        "[" + ", ".join(["body[*]"] * 150) + "] | [0]",
        "[" + ", ".join(["body[?@]"] * 150) + "] | [0]",
        "[" + ", ".join(["sort(body)"] * 150) + "] | [0]",
    ],
)
def test_what_would_make_too_much_of_a_document_is_not_applied_to_it(expression: str) -> None:
    """Each of these grows to less than a thousand times what it is applied to."""
    assert CHECK.validate_python(expression) == expression
    with pytest.raises(FindsTooMuch, match=r"more than (3000000 values|5000000 steps)"):
        evaluate(expression, {"body": list(range(25_000))})
    assert evaluate(expression, {"body": [1, 2]}) == jmespath.search(expression, {"body": [1, 2]})


@pytest.mark.parametrize(
    "expression",
    [f"body[?{' || '.join(['a'] * 60)}]", f"body[].[{','.join(['a'] * 60)}][0]", "map(&a.a.a.a.a.a, body)"],
)
def test_what_would_take_too_long_is_not_applied_to_a_document(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing grows here, and small documents may have very many values."""
    assert CHECK.validate_python(expression) == expression
    monkeypatch.setattr(evaluation, "MOST_STEPS", 10_000)
    with pytest.raises(FindsTooMuch, match="it takes more than 10000 steps"):
        evaluate(expression, {"body": [{}] * 2_000})
    small = {"body": [{"a": 1}, {}]}
    assert evaluate(expression, small) == jmespath.search(expression, small)


@pytest.mark.parametrize("expression", ["length(body[?a])", "length(body[:])", "[body, body]"])
def test_expressions_over_one_counted_document_are_bounded_together(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MOST_STEPS", 5_000)
    monkeypatch.setattr(evaluation, "MOST_MADE", 3_000)
    document: dict[str, Any] = {"body": [{}] * 1_000}
    counted = evaluation.CountedDocument(document)
    assert evaluate(expression, counted) == evaluate(expression, document) == jmespath.search(expression, document)
    with pytest.raises(FindsTooMuch):
        for _ in range(5):
            evaluate(expression, counted)


def test_the_steps_that_an_expression_may_take_grow_with_its_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_STEPS", 100)
    fields = ", ".join(f"f{number}: f{number}" for number in range(20))
    many = [{f"f{number}": number for number in range(20)}] * 1000
    assert evaluate(f"body[].{{{fields}}}", {"body": many}) == many


def test_texts_are_not_joined_to_more_than_can_be_held() -> None:
    joined = f"join('{'x' * 900}', body)"
    with pytest.raises(FindsTooMuch):
        evaluate(joined, {"body": ["a"] * 60_000})
    assert len(evaluate(joined, {"body": ["a"] * 1000})) == 900 * 999 + 1000


def test_a_document_may_be_as_large_as_it_is_and_have_fields_picked_from_it() -> None:
    fields = ", ".join(f"f{number}: f{number}" for number in range(20))
    many = [{f"f{number}": number for number in range(20)}] * 60_000
    assert evaluate(f"body[].{{{fields}}}", {"body": many}) == many
    long = [{"id": number, "text": "x" * 8 * 1024**2} for number in range(8)]
    assert evaluate("body[].{id: id, text: text}", {"body": long}) == long
    assert evaluate("body[].to_string(@)", {"body": long[:2]})[1].startswith('{"id":1,"text":"xxx')


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


@pytest.mark.parametrize(
    ("expression", "record", "found"),
    [
        ("record.id", {"id": 7}, 7),
        ("record.id", {"id": 7, "record": {"id": 8}}, 7),
        ("@.record.id", {"id": 7, "record": {"id": 8}}, 8),
        ("record", {"record": 8}, 8),
        ("join('-', [record.a, b])", {"a": "x", "b": "y"}, "x-y"),
        ("items[?record.id == `8`].a | [0]", {"items": [{"a": 1, "record": {"id": 8}}]}, 1),
        ("record[0]", [5], 5),
        ("record.id", 5, None),
        ("meta.id", {"meta": {"id": 8}}, 8),
        ("meta.id", {"meta": [{"id": 8}]}, None),
        ("meta.id", [{"meta": {"id": 8}}], None),
        ('"order-id"', {"order-id": 8}, 8),
        ('meta."order id"', {"meta": {"order id": 8}}, 8),
        ('"a.b".c', {"a.b": {"c": 8}, "a": {"b": {"c": 9}}}, 8),
        ('"record"."id"', {"id": 7}, 7),
        (r'"caf\u00e9".id', {"café": {"id": 8}}, 8),
        ("length(n)", {"n": 1}, None),
    ],
)
def test_a_record_may_be_called_so(expression: str, record: Any, found: object) -> None:
    assert found_in(expression, record) == found


NAMES = st.sampled_from(["a", "b", "record", "c-d"])
RECORDS = st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner) | st.lists(inner, max_size=2))


@given(st.lists(NAMES, min_size=1, max_size=3), RECORDS)
def test_a_path_finds_in_a_record_what_the_interpreter_finds(names: list[str], record: Any) -> None:
    path = ".".join(f'"{name}"' if "-" in name else name for name in names)
    assert found_in(path, record) == found_in(f"({path})", record)
