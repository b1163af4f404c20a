"""Which decoded documents can be kept."""

from typing import Any

import pytest

from services.callback_gateway.http.body import keepable


@pytest.mark.parametrize("document", [None, 1, 10**100, "", "ü", 1.5, [], {}, {"a": [{"b": None}]}])
def test_json_can_be_kept(document: Any) -> None:
    assert keepable(document)


@pytest.mark.parametrize("document", ["\0", float("inf"), {"\0": 1}, {"a": [{"b": "x\0"}]}, [[float("-inf")]]])
def test_nul_and_boundless_numbers_cannot(document: Any) -> None:
    assert not keepable(document)
