"""What several tests need stands in modules of its own: a test module is nobody's library."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
LEFT_OUT = ("integration/shared", "unit/client", "unit/shared")


def looked_at() -> Iterator[Path]:
    for path in sorted(TESTS.rglob("*.py")):
        if not path.relative_to(TESTS).as_posix().startswith(LEFT_OUT):
            yield path


def imported(path: Path) -> Iterator[str]:
    """All modules that a file names in its imports; of a package also what is taken from it, which may be one."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names):
                yield from (f"{module or ''}.{name.name}" for name in names)


def is_test_module(name: str) -> bool:
    """Whether it is a test module, or something of one."""
    path = TESTS.parent.joinpath(*name.split("."))
    return any(one.name.startswith("test_") and one.with_suffix(".py").is_file() for one in (path, path.parent))


def test_no_module_imports_from_a_test_module() -> None:
    found = [
        f"{path.relative_to(TESTS)}: {name}" for path in looked_at() for name in imported(path) if is_test_module(name)
    ]
    assert found == []


def test_imports_from_test_modules_are_found(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        "from tests.unit.test_layout import TESTS\nfrom tests.unit import test_layout\nimport tests.support.stack\n"
    )
    assert [is_test_module(name) for name in imported(path)] == [True, True, False]
