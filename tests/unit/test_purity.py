"""Decisions, and what says that it is pure, ask for no clock, no random source and no new id: those are arguments."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
IMPURE = {"new_id", "utc_now", "monotonic", "now", "utcnow", "today", "uuid4", "uuid7"}
IMPURE_MODULES = {"random", "time", "secrets", "os"}


def forbidden_modules() -> set[str]:
    """What no decision may import, by the contract of the import rules."""
    rules = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [found] = [rule for rule in rules if rule["name"] == "Decisions are pure"]
    return set(found["forbidden_modules"])


def pure_modules() -> Iterator[Path]:
    for root in ("services", "shared"):
        for path in sorted((PROJECT / root).rglob("*.py")):
            text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            if path.name == "decide.py" or "Pure." in text:
                yield path


def impure_calls(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in IMPURE:
                yield f"{name} in line {node.lineno}"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                name in IMPURE or module in IMPURE_MODULES & imported
            ):
                yield f"{module}.{name} in line {node.lineno}"


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_is_pure_calls_nothing_that_differs_each_time(path: Path) -> None:
    assert not list(impure_calls(path))


def forbidden_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module="shared.database.pool", names=[ast.alias(name="Row")]):
                continue  # The type of a row reads nothing.
            case ast.ImportFrom(module=str(module)):
                modules = [module]
            case _:
                continue
        yield from (one for one in modules if any(f"{one}.".startswith(f"{bad}.") for bad in forbidden_modules()))


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_is_pure_imports_nothing_that_is_not(path: Path) -> None:
    assert not list(forbidden_imports(path))
