"""Taking bodies apart: which records are there, their keys, their exact values, and what is wrong with a page."""

import json
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.processor.model import Failure, Page
from services.processor.process.decide import take_apart
from shared.specification.request import Records
from tests.support.pages import TABLE, TOPIC, page, stored_payload

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
WHOLE = st.integers(-(10**40), 10**40)
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | WHOLE | FRACTIONS | NAMES
OBJECTS = st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3), max_size=4)


def taken(body: bytes, select: str | None = None, key: str | None = None, **fields: Any) -> Page:
    return take_apart(stored_payload(records=Records(select=select, key=key), **fields), body)


def keys(found: Page) -> list[str]:
    assert found.failure is None, found.failure
    return [record.key for record in found.records]


@pytest.mark.parametrize(
    ("body", "select", "expected"),
    [
        (b'[{"id": 1}, {"id": 2}]', None, ["1", "2"]),
        (b'{"total": 2, "items": [{"id": 1}, {"id": 2}]}', None, ["1", "2"]),
        (b'{"tags": ["x"], "data": [{"id": 1}]}', None, ["1"]),
        (b'{"orders": [{"id": 1}]}', None, ["1"]),
        (b'{"id": 7, "name": "alone"}', None, ["7"]),
        (b"[]", None, []),
        (b'{"items": null, "total": 0}', None, []),
        (b'{"id": 3, "items": null}', None, ["3"]),
        (b'{"data": null, "total": 0}', "body.data[]", []),
        (b'{"data": null}', "body.data", []),
        (b'{"data": null}', "body.data[?open].lines[]", []),
        (b'{"meta": {"a-b": null}}', 'body.meta."a-b"[*].{id: id}', []),
        (b'{"data": [{"lines": null}]}', "body.data[].lines[]", []),
        (b'{"body": {"rows": [{"id": 1}]}}', "body.body.rows[]", ["1"]),
        (b'{"rows": {"id": 1}}', "body.rows", ["1"]),
        (b'{"rows": [{"id": 1, "on": true}, {"id": 2}]}', "body.rows[?on]", ["1"]),
        (b'{"a-b": [{"id": 1}]}', 'body."a-b"[]', ["1"]),
    ],
)
def test_records_are_found_where_they_are(body: bytes, select: str | None, expected: list[str]) -> None:
    assert keys(taken(body, select, "id")) == expected


@pytest.mark.parametrize("select", [None, "body"])
def test_where_a_list_is_expected_a_lone_object_is_no_record(select: str | None) -> None:
    found = taken(b'{"error": "internal", "code": 17}', select, expects_list=True)
    assert (found.records, found.failure) == (
        (),
        Failure("vendor_malformed", "expected a list as on the pages before, the body is an object with code, error"),
    )


@pytest.mark.parametrize(
    ("body", "select", "expected"),
    [
        (b"{}", None, []),
        (b'{"next": "", "count": 0}', None, []),
        (b'[{"id": 1}]', None, ["1"]),
        (b'{"rows": {"id": 1}}', "body.rows", ["1"]),
        (b'{"id": 1}', "to_array(body)", ["1"]),
    ],
)
def test_where_a_list_is_expected_it_is_found_as_anywhere(body: bytes, select: str | None, expected: list[str]) -> None:
    assert keys(taken(body, select, "id", expects_list=True)) == expected


@given(st.lists(OBJECTS | st.none() | st.lists(OBJECTS | st.none(), max_size=3), max_size=5))
@pytest.mark.parametrize(
    "select", ["body.meta.items", "body.meta.items[]", "body.meta.items[*]", 'body.meta."items"[]']
)
def test_a_plain_path_finds_what_the_interpreter_finds(select: str, records: list[Any]) -> None:
    body = {"meta": {"items": records}}
    found = taken(json.dumps(body).encode(), select)
    assert [json.loads(record.text) for record in found.records] == jmespath.search(select, {"body": body})


@given(st.lists(OBJECTS, max_size=5))
def test_values_come_out_as_they_went_in(records: list[Any]) -> None:
    found = taken(json.dumps(records).encode())
    assert [json.loads(record.text) for record in found.records] == records


@given(WHOLE, WHOLE)
def test_two_whole_numbers_are_two_keys_however_long(first: int, second: int) -> None:
    found = keys(taken(json.dumps([{"id": first}, {"id": second}]).encode(), key="id"))
    assert (found[0] == found[1]) == (first == second)


@pytest.mark.parametrize("key", [None, "id"])
def test_long_whole_numbers_stay_exact(key: str | None) -> None:
    found = taken(b'[{"id": 18446744073709551616, "n": -9999999999999999999}]', key=key)
    assert keys(found) == ["18446744073709551616"]
    assert found.records[0].text == b'{"id":18446744073709551616,"n":-9999999999999999999}'


def test_long_numbers_do_not_change_how_texts_are_kept() -> None:
    found = taken(b'[{"n": 123456789012345678901234567890, "t": "\\ud83d\\ude00"}]')
    assert found.records[0].text == '{"n":123456789012345678901234567890,"t":"😀"}'.encode()


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        (b'[{"id": "a"}]', "id", "a"),
        (b'[{"id": 5}]', "id", "5"),
        (b'[{"id": 1.5}]', "id", "1.5"),
        (b'[{"a": {"b": 5}}]', "a.b", "5"),
        (b'[{"id": 5}]', "record.id", "5"),
        (b'[{"a": "x", "b": "y"}]', "join('-', [a, b])", "x-y"),
        (b'[{"id": 9}]', None, "9"),
    ],
)
def test_keys_are_made_by_the_expression_or_from_id(body: bytes, key: str | None, expected: str) -> None:
    assert keys(taken(body, key=key)) == [expected]


def test_a_record_without_id_is_its_own_key_and_changes_no_other_key_of_its_page() -> None:
    first = keys(taken(b'[{"id": 1}, {"a": 1, "b": 2}, {"id": ""}, {"id": null, "n": 1}]'))
    second = keys(taken(b'[{"b": 2, "a": 1}, {"x": 123456789012345678901234567890}, 5]'))
    assert first[0] == "1"
    assert first[1] == second[0]
    assert all(len(key) == 64 for key in first[1:] + second)


@pytest.mark.parametrize(
    "identity", ["null", "{}", "[]", "true", '""', '"a\\u0000b"', f'"{"k" * 1025}"', f'"{"é" * 513}"']
)
def test_what_is_no_key_fails_the_page(identity: str) -> None:
    failure = taken(f'[{{"id": "fine"}}, {{"id": {identity}}}]'.encode(), key="id").failure
    assert failure is not None
    assert failure.reason == "key_missing"
    assert failure.detail.startswith("record 1 has ")


def test_a_key_that_would_take_too_long_over_all_records_fails_the_page() -> None:
    key = f"[{','.join(['i'] * 900)}][0]"
    assert keys(taken(b'[{"i":1},{"i":2}]', key=key)) == ["1", "2"]
    failure = taken(b"[" + b",".join([b'{"i":1}'] * 6000) + b"]", key=key).failure
    assert failure is not None
    assert failure.reason == "too_large"
    assert failure.detail.endswith("over 6000 records it takes more than 5000000 steps")


@pytest.mark.parametrize("key", ["id", "id.deeper", "length(id)", "floor(id)"])
def test_a_key_that_does_not_apply_is_a_mistake_and_no_crash(key: str) -> None:
    failure = taken(b'[{"id": [1]}, 5, null]', key=key).failure
    assert failure is not None
    assert failure.reason == "key_missing"


@pytest.mark.parametrize(
    ("body", "select", "says"),
    [
        (b"", None, "empty"),
        (b" \n", None, "empty"),
        (b"<html><body>Busy</body></html>", None, "the body is HTML"),
        (b'[{"id": 1}, {"i', None, "15 bytes that begin as JSON"),
        (b'<?xml version="1.0"?><a/>', None, "the body is markup"),
        (b"Busy", None, "4 bytes that are something else"),
        (b"[NaN]", None, "expected JSON"),
        (b"[1111111111111111111, NaN]", None, "NaN is no JSON"),
        (b'[{"n": 1e999}]', None, "out of range"),
        (b'[{"n": ' + b"9" * 400 + b".5}]", None, "out of range"),
        (b'[{"n": ' + b"1" * 5000 + b"}]", None, "expected JSON"),
        (b"[" * 100_000, None, "expected JSON"),
        (b'["\\ud800"]', None, "expected JSON"),
        (b'["\xff"]', None, "expected JSON"),
        (b'[1111111111111111111, "\xff"]', None, "expected JSON"),
        (b"null", None, "the body is null"),
        (b"5", None, "the body is a single int"),
        (b'{"items": []}', "body.rows[]", "an object with items"),
        (b'{"meta": null}', "body.meta.rows[]", "no list of records"),
        (b'{"rows": 5}', "body.rows[]", "no list of records"),
        (b'{"rows": "none"}', "body.rows[?open]", "no list of records"),
        (b"null", "body[]", "no list of records"),
        (b'{"items": [1]}', "abs(body.items)", "no list of records"),
        (b'{"items": [1]}', "sum(body.items[].x)", "no list of records"),
    ],
)
def test_a_malformed_body_is_told_by_what_it_is(body: bytes, select: str | None, says: str) -> None:
    failure = taken(body, select).failure
    assert failure is not None
    assert failure.reason == "vendor_malformed"
    assert says in failure.detail


@given(st.binary(max_size=200))
def test_no_body_makes_it_crash(body: bytes) -> None:
    found = taken(body)
    assert (found.failure is None) or not found.records


@pytest.mark.parametrize("depth", [200, 300, 900, 1000])
@pytest.mark.parametrize("key", [None, "id"])
def test_deep_nesting_is_kept_or_told(depth: int, key: str | None) -> None:
    found = taken(b'[{"id": 1, "n": ' + b"[" * depth + b"]" * depth + b"}]", key=key)
    assert found.records or (found.failure is not None and "nest" in found.failure.detail)


@pytest.mark.parametrize(
    ("text", "fails"),
    [("\\u0000", True), ("\\\\\\u0000", True), ("\\\\u0000", False), ("\\\\ud800", False), ("\\ud83d\\ude00", False)],
)
def test_only_a_real_nul_cannot_be_stored(text: str, fails: bool) -> None:
    body = f'[{{"id": 1, "t": "{text}"}}]'.encode()
    failure = taken(body).failure
    assert (failure is not None and failure.reason == "unstorable_value") == fails
    assert taken(body, sinks=(TOPIC,)).failure is None


def test_a_record_too_large_for_a_topic_fails_its_page_only_there() -> None:
    records = [{"id": 1, "t": "x" * 1_040_000}]
    failure = page(records, sinks=(TOPIC,)).failure
    assert failure is not None
    assert failure.reason == "too_large"
    assert page(records, sinks=(TABLE,)).failure is None
