"""Which decoded documents can be kept."""

from typing import Any

import pytest

from services.callback_gateway.http.body import keepable
from shared.specification.parse import first_unkept


@pytest.mark.parametrize("document", [None, 1, 10**100, "", "ü", 1.5, [], {}, {"a": [{"b": None}]}])
def test_json_can_be_kept(document: Any) -> None:
    assert keepable(document)
    assert first_unkept(document) is None


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ("\0", ""),
        (float("inf"), ""),
        ({"a": {}, "\0": 1}, ""),
        ({"a": [], "b/c": [1, {"d": "x\0"}]}, "/b~1c/1/d"),
        ([[], [float("-inf"), "\0"]], "/1/0"),
    ],
)
def test_nul_and_boundless_numbers_cannot_and_the_first_is_named(document: Any, pointer: str) -> None:
    assert not keepable(document)
    found = first_unkept(document)
    assert found is not None and found.pointer == pointer
