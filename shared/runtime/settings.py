"""Settings that every service shares. A service's own settings extend `ServiceSettings`.

Environment variables are `SLUICE_<FIELD>`. Services share one environment, so a variable of another service passes; one
that is nearly the name of a setting is reported at start.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from shared.brokers import KafkaSettings
from shared.database.address import Login, checked
from shared.environment import OWN_SECRET, PREFIX, REFERENCE, OwnSecret, mistakes, own_secret, variable

_ALIKE = 0.9


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class ServiceSettings(KafkaSettings):
    """Where things are and how this process behaves."""

    topic_prefix: str = Field("sluice", pattern=r"^[a-z0-9-]{1,32}$", description="first part of every topic's name")
    topic_partitions: int = Field(
        4, ge=1, le=1000, description="partitions of each new busy topic, other topics have at most 3; 12 in production"
    )
    topic_replication: int = Field(1, ge=1, le=9, description="replicas of each new topic; 3 in production")
    database_url: Annotated[str, AfterValidator(checked)] = Field(
        "postgresql://sluice_{service}:sluice@127.0.0.1:5432/sluice",
        description="Postgres; {service} is replaced by the service's name, so that each logs in as its own role",
    )
    database_password: OwnSecret = Field(
        "",
        pattern=REFERENCE,
        description="env:NAME or file:/PATH of the role's password, with {service} as above; empty: that of the URL",
    )
    database_connections: int = Field(
        6, ge=2, le=100, description="most connections to Postgres of one process; a fetcher or gateway has one more"
    )
    payload_store: str = Field(
        "file:///tmp/sluice/payloads",
        pattern=r"^(file:///|s3://[^/]|memory://)",
        description="where payloads are stored: file:///PATH or s3://BUCKET/PREFIX",
    )
    payload_store_endpoint: str = Field(
        "", description="URL of an S3-compatible store other than AWS, such as http://storage:8333"
    )
    secret_places: str = Field(
        "",
        description="where specifications' secrets may be: env:ACME_,file:/run/secrets; empty: all but Sluice's own",
    )
    health_host: str = Field("127.0.0.1", description="address that /healthz, /readyz and /metrics listen on")
    health_port: int = Field(
        0, ge=0, le=65535, description="port of /healthz, /readyz and /metrics; 0 chooses a free one and logs it"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        "INFO", description="least severe log lines that are written"
    )
    replica: str = Field("", description="stable name of this replica; makes its consumers static group members")
    stop_seconds: float = Field(
        30.0, ge=1, le=300, description="seconds after SIGTERM at which the process ends, whatever hangs"
    )

    def database_login(self, schema: str) -> Login:
        """How the service of a schema gets to its database.

        Raises:
            Invalid: its password is not where the setting says.
        """
        reference = self.database_password.replace("{service}", schema)
        password = own_secret("database_password", reference) if reference else ""
        return Login(self.database_url.replace("{service}", schema), password)

    @property
    def idle_seconds(self) -> float:
        """For how long a transaction may wait for something else than the database, the payload store say."""
        return 60.0


S = TypeVar("S", bound=ServiceSettings)


def read_settings(kind: type[S]) -> S:
    """The settings as the environment has them.

    Raises:
        Invalid: with every variable that is wrong.
    """
    try:
        return kind()
    except ValidationError as error:
        raise mistakes(error) from None


def own_secrets(settings: ServiceSettings) -> list[str]:
    """What the settings refer to, with {service} where it differs from one service to the next."""
    fields = type(settings).model_fields.items()
    return [getattr(settings, name) for name, field in fields if OWN_SECRET in field.metadata]


def misspelt(kind: type[ServiceSettings], variables: Iterable[str]) -> dict[str, str]:
    """Variables that set nothing, with the one that was probably meant."""
    known = {variable((name,)) for name in kind.model_fields}
    ours = {name for name in variables if name.startswith(PREFIX)} - known
    likely = {name: get_close_matches(name, known, n=1, cutoff=_ALIKE) for name in sorted(ours)}
    return {name: matches[0] for name, matches in likely.items() if matches}
