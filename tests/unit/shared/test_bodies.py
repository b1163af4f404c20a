"""JSON bodies: exact, and told apart from what is none."""

import pytest

from shared.specification.bodies import MOST_VALUES, BodyTooLarge, BodyUnreadable, read_json


def test_whole_numbers_of_any_length_stay_exact() -> None:
    for number in (2**53 + 1, 2**63, -(2**64) - 1, 10**40 + 1, int("9" * 4000)):
        assert read_json(b'{"id": [%d]}' % number) == {"id": [number]}


def test_a_surrogate_pair_is_a_character_and_an_escaped_backslash_begins_none() -> None:
    for number in (1, 12345678901234567890123):
        body = rb'{"a": "\ud83d\ude00", "b": "\\ud83d", "n": %d}' % number
        assert read_json(body) == {"a": "\U0001f600", "b": r"\ud83d", "n": number}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf ",
        b"<html>",
        b'{"a":',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"1" * 5000,
        '{"a":1}'.encode("utf-16"),
        rb'{"a": "\ud800abc"}',
        rb'{"a": "\ud800abc", "n": 12345678901234567890123}',
        rb'{"\uDC00": 12345678901234567890123}',
    ],
)
def test_what_is_no_json_is_told(body: bytes) -> None:
    with pytest.raises(BodyUnreadable, match="expected JSON") as refused:
        read_json(body)
    assert str(refused.value).encode()


@pytest.mark.parametrize("value", [b"{}", b"[]", b"0", b'""'])
def test_a_body_of_very_many_values_is_refused_before_it_is_read(value: bytes) -> None:
    most = (MOST_VALUES - 1) // (2 if value in (b"{}", b"[]") else 1)
    body = b"[" + (value + b",") * (most - 1) + value + b"]"
    assert len(read_json(body)) == most
    with pytest.raises(BodyTooLarge) as refused:
        read_json(body[:-1] + b",1,1,1]")
    assert (refused.value.reason, str(refused.value)) == ("too_large", f"the body has more than {MOST_VALUES} values")


def test_a_long_text_is_no_crowd() -> None:
    assert read_json(b'"' + b"a b " * 4_000_000 + b'"') == "a b " * 4_000_000
