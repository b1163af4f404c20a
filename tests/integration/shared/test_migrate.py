"""Migrations: each file once, in order, and never over a history that the files do not tell."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from shared.database.migrate import MigrationError, migrate
from tests.support.stack import Place

SCHEMA = "migrated"
FIRST = "CREATE TABLE one (id integer);"
SECOND = "ALTER TABLE one ADD COLUMN name text;"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def owner(place: Place) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(place.owner_url())
    await connection.execute(f"CREATE SCHEMA {SCHEMA}")
    yield connection
    await connection.close()


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text, "utf-8")


async def test_each_file_is_applied_once_and_in_order(owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, b_pre_second=SECOND, a_pre_first=FIRST)
    assert await migrate(owner, SCHEMA, tmp_path) == ["a_pre_first", "b_pre_second"]
    write(tmp_path, c_pre_third="DROP TABLE one;")
    assert await migrate(owner, SCHEMA, tmp_path) == ["c_pre_third"]
    assert await migrate(owner, SCHEMA, tmp_path) == []


async def test_two_that_migrate_at_once_take_turns(place: Place, owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, a_pre_first=FIRST, b_pre_second=SECOND)
    another = await asyncpg.connect(place.owner_url())
    try:
        done = await asyncio.gather(migrate(owner, SCHEMA, tmp_path), migrate(another, SCHEMA, tmp_path))
    finally:
        await another.close()
    assert sorted(done) == [[], ["a_pre_first", "b_pre_second"]]


async def test_a_file_that_fails_leaves_nothing_and_keeps_what_came_before(owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, a_pre_first=FIRST, b_pre_second=f"{SECOND} SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(owner, SCHEMA, tmp_path)
    write(tmp_path, b_pre_second=SECOND)
    assert await migrate(owner, SCHEMA, tmp_path) == ["b_pre_second"]


async def test_a_file_that_was_applied_must_not_change(owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, a_pre_first=FIRST)
    await migrate(owner, SCHEMA, tmp_path)
    write(tmp_path, a_pre_first=f"{FIRST} -- changed")
    with pytest.raises(MigrationError, match=r"a_pre_first\.sql was changed"):
        await migrate(owner, SCHEMA, tmp_path)


async def test_a_release_before_the_newest_has_nothing_to_do(owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, a_pre_first=FIRST, b_pre_second=SECOND)
    await migrate(owner, SCHEMA, tmp_path)
    (tmp_path / "b_pre_second.sql").unlink()
    assert await migrate(owner, SCHEMA, tmp_path) == []


async def test_a_schema_with_another_history_is_left_alone(owner: Connection, tmp_path: Path) -> None:
    write(tmp_path, a_pre_first=FIRST)
    await migrate(owner, SCHEMA, tmp_path)
    (tmp_path / "a_pre_first.sql").unlink()
    write(tmp_path, a_pre_other="CREATE TABLE two (id integer);")
    with pytest.raises(MigrationError, match=r"migrated: a_pre_first was applied, .* a_pre_other was not"):
        await migrate(owner, SCHEMA, tmp_path)
    assert await owner.fetchval(f"SELECT to_regclass('{SCHEMA}.two')") is None
