"""What the head of a query calls its parameters is what the query calls them."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_NAMED = re.compile(r"\$(\d+) (\w+) (\w+(?: \w+)*(?:\[\])?)")
_GIVEN = re.compile(r"unnest\(([^()]*)\)\s*(?:WITH ORDINALITY\s*)?AS given \(([^)]*)\)")
_PASSED = re.compile(r"\$(\d+)::(\w+\[\])")
QUERIES = [
    path
    for folder in ("services", "shared")
    for path in sorted(PROJECT.joinpath(folder).rglob("*.sql"))
    if _GIVEN.search(path.read_text("utf-8"))
]


def test_there_are_such_queries() -> None:
    assert len(QUERIES) > 40


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_parameters_are_named_and_typed_at_the_head_as_the_columns_that_they_become(path: Path) -> None:
    text = path.read_text("utf-8")
    head = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    named = {number: (name, kind) for number, name, kind in _NAMED.findall(head)}
    for parameters, columns in _GIVEN.findall(text):
        for (number, kind), column in zip(_PASSED.findall(parameters), columns.split(","), strict=False):
            name, told = named[number]
            assert (name in _names_of(column.strip()), told) == (True, kind), f"${number} {name} is {column.strip()}"


def _names_of(column: str) -> tuple[str, ...]:
    """A parameter has many of what a column has one of."""
    return column, f"{column}s", f"{column}es", f"{column.removesuffix('y')}ies"
