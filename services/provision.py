"""The one-shot step before the services start: roles and schemas, migrations, topics. Safe to run again.

    python -m services.provision [all | roles | migrate | topics]

Roles and migrations need `SLUICE_ADMIN_DATABASE_URL` (a role that may create roles and databases) and
`SLUICE_DATABASE_URL` (for the database's name). Roles get the passwords that the services will have: of
`SLUICE_DATABASE_PASSWORD`, or of the URL; without either they keep what they have. Topics need the settings of Kafka.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.database.address import Login, checked_if_given, database_of, password_of
from shared.database.roles import Provisioner
from shared.environment import REFERENCE, OwnSecret, own_secret, wrong
from shared.errors import SluiceError, Unavailable
from shared.events.catalogue import SERVICES, topics
from shared.messaging.topics import Profile, create_topics, find_differences
from shared.runtime.settings import ServiceSettings, read_settings

SCHEMAS = tuple(service.replace("-", "_") for service in SERVICES)
RECORDS_SCHEMA = "records"
STEPS = ("all", "roles", "migrate", "topics")


class ProvisionSettings(ServiceSettings):
    """What provisioning needs beyond the services' settings."""

    admin_database_url: Annotated[str, AfterValidator(checked_if_given)] = Field(
        "", description="Postgres URL of a role that may create roles and databases"
    )
    admin_database_password: OwnSecret = Field(
        "", pattern=REFERENCE, description="env:NAME or file:/PATH of that role's password; empty: that of the URL"
    )


async def provision_roles(settings: ProvisionSettings) -> None:
    """One login role for each service, and the schema for users' records, where the processor makes tables."""
    provisioner = _provisioner(settings)
    await provisioner.create_roles({schema: password_of(settings.database_login(schema)) for schema in SCHEMAS})
    await provisioner.create_open_schema(RECORDS_SCHEMA, "processor")


async def provision_migrations(settings: ProvisionSettings) -> None:
    """Bring every schema up to date."""
    provisioner = _provisioner(settings)
    folders = {schema: Path(__file__).parent / schema / "migrations" for schema in SCHEMAS}
    for name in await provisioner.migrate(folders):
        print(f"migrated {name}")


def _provisioner(settings: ProvisionSettings) -> Provisioner:
    if not settings.admin_database_url:
        raise wrong("admin_database_url", "roles and migrations need a role that may create roles and databases")
    reference = settings.admin_database_password
    password = own_secret("admin_database_password", reference) if reference else ""
    return Provisioner(Login(settings.admin_database_url, password), database_of(settings.database_url))


async def provision_topics(settings: ProvisionSettings) -> None:
    """Create the topics that are missing, and tell what those that exist have otherwise than wanted."""
    profile = Profile(settings.topic_partitions, settings.topic_replication)
    place = (settings.brokers, settings.topic_prefix, list(topics()), profile)
    for name in await create_topics(*place):
        print(f"created {name}")
    try:
        differences = await find_differences(*place)
    except Unavailable as error:
        # Who may create topics may not always describe them, and nothing hangs on it.
        print(f"topics were not compared with the catalogue: {error}")
        return
    for one in differences:
        print(f"left as it is: {one.topic} has {one.setting}={one.found}, expected {one.declared}")


async def provision(what: str, settings: ProvisionSettings) -> None:
    """One step, or `all` of them."""
    if what in ("all", "roles"):
        await provision_roles(settings)
    if what in ("all", "migrate"):
        await provision_migrations(settings)
    if what in ("all", "topics"):
        await provision_topics(settings)


def main() -> None:
    """The command."""
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    if what not in STEPS:
        sys.exit(f"provision: expected one of {', '.join(STEPS)}, got {what!r}")
    try:
        asyncio.run(provision(what, read_settings(ProvisionSettings)))
    except SluiceError as error:
        sys.exit(f"provision: {error}")


if __name__ == "__main__":
    main()
