"""The embedded stack for tests: one broker and one Postgres for the whole run, a database and topics for each test."""

import fcntl
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TextIO
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from infra.local import stack as embedded
from infra.local.errors import StackError
from services.provision import ProvisionSettings, provision_migrations, provision_roles
from shared.events.catalogue import topics
from shared.events.topic import Topic
from shared.messaging.topics import Profile, create_topics
from shared.runtime.settings import ServiceSettings

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
ROOT = Path(__file__).resolve().parents[2] / ".sluice" / f"test{WORKER and f'-{WORKER}'}"
"""Each process that runs tests has servers of its own, which it may kill."""
PASSWORD = "sluice"
TEMPLATE = "sluice_template"
_kept: list[TextIO] = []
NAME = re.compile(r"t[0-9a-f]{12}(?=\.|$)")
"""Of a test's database, and the prefix of its topics."""


@dataclass(frozen=True)
class Place:
    """Where one test works: its own database and its own topics on the shared servers."""

    kafka: str
    admin_url: str
    database: str
    prefix: str
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def database_url(self) -> str:
        """The URL with the placeholder for the service, as the settings take it."""
        owned = urlsplit(self.owner_url())
        login = f"sluice_{{service}}:{PASSWORD}@{owned.netloc.rsplit('@', 1)[1]}"
        return urlunsplit(owned._replace(netloc=login))

    def owner_url(self) -> str:
        """The URL with which the superuser logs in to the test's database."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{self.database}"))

    def through(self, port: int) -> Self:
        """The same place, with Postgres behind a port of this machine."""
        server = urlsplit(self.admin_url)
        login = server.netloc.rsplit("@", 1)[0]
        return replace(self, admin_url=urlunsplit(server._replace(netloc=f"{login}@127.0.0.1:{port}")))

    def environment(self, payloads: Path) -> dict[str, str]:
        """Environment variables of service processes."""
        return {
            "SLUICE_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "SLUICE_TOPIC_PREFIX": self.prefix,
            "SLUICE_DATABASE_URL": self.database_url(),
            "SLUICE_PAYLOAD_STORE": payloads.as_uri(),
            "SLUICE_TOPIC_PARTITIONS": "2",
            "SLUICE_CALLBACK_KEY": "env:TEST_CALLBACK_KEY",
            "TEST_CALLBACK_KEY": "a key for callback URLs in tests",
        }

    def settings(self, kind: type[ServiceSettings], payloads: Path, **more: Any) -> Any:
        """Settings of a service that runs inside the test."""
        return kind(
            kafka_bootstrap_servers=self.kafka,
            topic_prefix=self.prefix,
            database_url=self.database_url(),
            payload_store=payloads.as_uri(),
            **more,
        )


def start() -> embedded.Addresses:
    """Start the servers, or find them running. They are this run's until its end: another one would drop its databases.

    Raises:
        StackError: another run has them.
    """
    ROOT.mkdir(parents=True, exist_ok=True)
    lock = (ROOT / "run.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StackError(f"another run of tests is using {ROOT}; wait for its end, or use another checkout") from None
    _kept.append(lock)
    return embedded.start(ROOT)


async def clear(addresses: embedded.Addresses) -> None:
    """Drop what runs that were killed have left: a broker with thousands of topics takes a minute to start."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    await admin.start()
    try:
        left = [name for name in await admin.list_topics() if NAME.match(name)]
        for first in range(0, len(left), 200):
            await admin.delete_topics(left[first : first + 200])
    finally:
        await admin.close()
    server = await asyncpg.connect(addresses.postgres)
    try:
        for row in await server.fetch("SELECT datname FROM pg_database"):
            if NAME.fullmatch(row["datname"]):
                await server.execute(f'DROP DATABASE "{row["datname"]}" WITH (FORCE)')
    finally:
        await server.close()


async def make_template(addresses: embedded.Addresses) -> None:
    """Roles, and a database with every schema migrated, to clone for each test."""
    admin = await asyncpg.connect(addresses.postgres)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{TEMPLATE}" WITH (FORCE)')
    finally:
        await admin.close()
    settings = ProvisionSettings(
        admin_database_url=addresses.postgres,
        database_url=Place(addresses.kafka, addresses.postgres, TEMPLATE, "sluice").database_url(),
    )
    await provision_roles(settings)
    await provision_migrations(settings)


def make_name() -> str:
    """A name that nobody has."""
    return f"t{uuid.uuid4().hex[:12]}"


async def make_place(addresses: embedded.Addresses) -> Place:
    """A fresh database, cloned from the template."""
    name = make_name()
    admin = await asyncpg.connect(addresses.postgres)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY file_copy')
        await admin.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        for role in ("planner", "fetcher", "processor", "callback_gateway", "scheduler"):
            await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO sluice_{role}')
    finally:
        await admin.close()
    return Place(addresses.kafka, addresses.postgres, name, name)


async def make_topics(kafka: str, prefix: str, wanted: Iterable[Topic[Any]] | None = None) -> None:
    """All topics, or those that are wanted. They cost the broker more than most tests do with them."""
    await create_topics(kafka, prefix, list(wanted or topics()), Profile(partitions=2))


@asynccontextmanager
async def own_topics(place: Place) -> AsyncIterator[Place]:
    """A place with all topics, for as long as a test lasts."""
    await make_topics(place.kafka, place.prefix)
    yield place
    await drop_topics(place.kafka, place.prefix)


async def drop_topics(kafka: str, prefix: str) -> None:
    """Delete topics: a small broker must not have to hold those of a thousand tests."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(f"{prefix}.")]
        await admin.delete_topics(names)
    finally:
        await admin.close()


async def drop_place(place: Place) -> None:
    """Leave no database behind."""
    admin = await asyncpg.connect(place.admin_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{place.database}" WITH (FORCE)')
    finally:
        await admin.close()
