"""Provisioning: what it refuses before it does anything, and whose password is whose."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from shared.database.address import Login
from shared.database.pool import Database
from shared.database.roles import Provisioner
from shared.errors import Invalid, Unavailable
from shared.events.catalogue import SERVICES
from tests.support.cluster import PROJECT
from tests.support.eventually import eventually
from tests.support.stack import ROOT, Place, make_name

CANARY = "canary"


async def provision(step: str, **variables: str) -> tuple[int, str]:
    """The exit code, and all that it said."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    argv = [sys.executable, "-m", "services.provision", step]
    done = await asyncio.to_thread(
        subprocess.run, argv, env=environment, cwd=PROJECT, capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("step", ["roles", "migrate"])
@pytest.mark.parametrize("variable", ["SLUICE_DATABASE_URL", "SLUICE_ADMIN_DATABASE_URL"])
@pytest.mark.parametrize("mark", ["/", "#", "?", "/a@b/", "["])
async def test_a_password_that_breaks_its_url_is_refused_and_not_repeated(
    place: Place, step: str, variable: str, mark: str
) -> None:
    urls = {"SLUICE_DATABASE_URL": place.database_url(), "SLUICE_ADMIN_DATABASE_URL": place.admin_url}
    login, _, rest = urls[variable].rpartition("@")
    urls[variable] = f"{login}{mark}{CANARY}@{rest}"
    code, said = await provision(step, **urls)
    assert code == 1
    assert variable in said
    assert CANARY not in said
    assert await databases_like(place, f"%{CANARY}%") == 0


async def databases_like(place: Place, pattern: str) -> int:
    admin = await asyncpg.connect(place.admin_url)
    try:
        return int(await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE $1", pattern))
    finally:
        await admin.close()


@pytest.mark.parametrize("step", ["roles", "migrate"])
async def test_provisioning_without_an_admin_url_is_refused(place: Place, step: str) -> None:
    code, said = await provision(step, SLUICE_DATABASE_URL=place.database_url(), SLUICE_ADMIN_DATABASE_URL="")
    assert (code, said.startswith("provision: SLUICE_ADMIN_DATABASE_URL: ")) == (1, True), said


@dataclass(frozen=True)
class Roles:
    """Two roles of a test's own, and whoever provisions them."""

    place: Place
    one: str
    other: str

    async def create(self, **passwords: str) -> None:
        """Provision both; nothing given leaves a password as it is."""
        admin = Login(f"{self.place.admin_url}&log_statement=ddl")
        given = {self.one: passwords.get("one", ""), self.other: passwords.get("other", "")}
        await Provisioner(admin, self.place.database).create_roles(given)

    async def log_in(self, schema: str, password: str) -> bool:
        """Whether a service may."""
        server = self.place.owner_url().rpartition("@")[2]
        database = Database(Login(f"postgresql://sluice_{schema}@{server}", password), schema=schema)
        try:
            await database.open()
        except Unavailable as error:
            assert "InvalidPassword" in str(error)
            return False
        await database.close()
        return True


@pytest.fixture
async def roles(place: Place) -> AsyncIterator[Roles]:
    made = Roles(place, make_name(), make_name())
    yield made
    owner = await asyncpg.connect(place.owner_url())
    for schema in (made.one, made.other):
        if await owner.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", f"sluice_{schema}"):
            await owner.execute(f"DROP OWNED BY sluice_{schema}; DROP ROLE sluice_{schema}")
    await owner.close()


async def test_each_service_has_a_password_of_its_own(roles: Roles) -> None:
    await roles.create(one="a/b#c?d@e:f'$%", other="another")
    assert await roles.log_in(roles.one, "a/b#c?d@e:f'$%")
    assert await roles.log_in(roles.other, "another")
    assert not await roles.log_in(roles.other, "a/b#c?d@e:f'$%")


async def test_passwords_are_set_as_given_and_otherwise_left_alone(roles: Roles) -> None:
    await roles.create(one="first", other="another")
    await roles.create(one="second")
    assert [await roles.log_in(roles.one, password) for password in ("first", "second")] == [False, True]
    assert await roles.log_in(roles.other, "another")


async def test_no_password_comes_into_the_log_of_the_server(roles: Roles) -> None:
    await roles.create(one=CANARY, other=CANARY)
    log = ROOT / "logs" / "postgres.log"
    told = await eventually(lambda: [line for line in log.read_text("utf-8").splitlines() if roles.other in line])
    assert "PASSWORD 'SCRAM-SHA-256$" in "".join(told)
    assert CANARY not in "".join(told)


async def test_a_password_that_clients_would_read_differently_is_refused(roles: Roles) -> None:
    with pytest.raises(Invalid, match="printable ASCII"):
        await roles.create(one="pässword", other="another")


@dataclass(frozen=True)
class Owner:
    """A role that may create roles and databases, and is no superuser."""

    login: Login
    database: str
    schemas: tuple[str, ...]

    async def provision(self, password: str) -> list[str]:
        """Everything; gives the names of the migrations applied."""
        provisioner = Provisioner(self.login, self.database)
        await provisioner.create_roles(dict.fromkeys(self.schemas, password))
        await provisioner.create_open_schema(f"open_{self.schemas[0]}", self.schemas[0])
        folders = (PROJECT / "services" / service.replace("-", "_") / "migrations" for service in SERVICES)
        return await provisioner.migrate(dict(zip(self.schemas, folders, strict=True)))


@pytest.fixture
async def owner(place: Place) -> AsyncIterator[Owner]:
    name, database, schemas = make_name(), make_name(), tuple(make_name() for _ in SERVICES)
    admin = await asyncpg.connect(place.admin_url)
    await admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD '{CANARY}'")
    server = place.admin_url.rpartition("@")[2]
    yield Owner(Login(f"postgresql://{name}@{server}", CANARY), database, schemas)
    await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    for role in (*(f"sluice_{schema}" for schema in schemas), name):
        await admin.execute(f"DROP ROLE IF EXISTS {role}")
    await admin.close()


async def test_an_owner_that_may_create_roles_and_databases_can_provision_again(place: Place, owner: Owner) -> None:
    assert await owner.provision("first")
    assert await owner.provision("second") == []
    assert await owner.provision("") == []
    one, server = owner.schemas[0], place.admin_url.rpartition("@")[2].partition("/")[0]
    database = Database(Login(f"postgresql://sluice_{one}@{server}/{owner.database}", "second"), schema=one)
    await database.open()
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM ledger") == 0
    await database.close()


async def test_a_role_that_may_not_log_in_any_more_may_again(place: Place, owner: Owner) -> None:
    await owner.provision("first")
    admin = await asyncpg.connect(place.admin_url)
    try:
        await admin.execute(f"ALTER ROLE sluice_{owner.schemas[0]} NOLOGIN")
        await owner.provision("")
        asked = "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1"
        assert await admin.fetchval(asked, f"sluice_{owner.schemas[0]}")
    finally:
        await admin.close()
