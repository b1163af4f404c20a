"""Where Kafka is, and how all of its clients are let in: whether the line is encrypted, and who logs in."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings

from shared.environment import FROM_ENVIRONMENT, REFERENCE, OwnSecret, mistakes, own_secret, variable, wrong

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Brokers:
    """Addresses, `host:port` with commas between them, and the way in. `password` is a reference to it."""

    addresses: str
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: str = ""

    def __str__(self) -> str:
        return self.addresses

    def options(self) -> dict[str, Any]:
        """What a client of aiokafka needs to connect. The password is looked up now.

        Raises:
            Invalid: there is no such secret, or the file of authorities is none.
        """
        options: dict[str, Any] = {"bootstrap_servers": self.addresses, "security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            options["ssl_context"] = self._context()
        if self.protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.username
            options["sasl_plain_password"] = own_secret("kafka_password", self.password)
        return options

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise wrong("kafka_ca_file", f"no certificates in PEM could be read: {error.strerror}") from None


def options_of(brokers: Brokers | str) -> dict[str, Any]:
    """The same for addresses alone, where nobody has to log in and nothing is encrypted.

    Raises:
        Invalid: as `Brokers.options`.
    """
    return (Brokers(brokers) if isinstance(brokers, str) else brokers).options()


class KafkaSettings(BaseSettings):
    """The settings that lead to Kafka, for services and for the tools that speak to it themselves."""

    model_config = FROM_ENVIRONMENT

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma separated")
    kafka_security_protocol: Protocol = Field(
        "PLAINTEXT", description="whether connections are encrypted (SSL) and log in (SASL)"
    )
    kafka_sasl_mechanism: Mechanism = Field("SCRAM-SHA-512", description="how to log in")
    kafka_username: str = Field("", validate_default=True, description="user name to log in to Kafka with")
    kafka_password: OwnSecret = Field(
        "", validate_default=True, pattern=REFERENCE, description="env:NAME or file:/PATH of that user's password"
    )
    kafka_ca_file: str = Field(
        "", description="PEM file of the authorities that brokers' certificates are from; empty: the system's"
    )

    @field_validator("kafka_username", "kafka_password")
    @classmethod
    def _login_goes_with_sasl(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("kafka_security_protocol")
        if protocol and protocol.startswith("SASL") and not value:
            raise PydanticCustomError("login", f"needed to log in with {protocol}")
        if protocol and not protocol.startswith("SASL") and value:
            raise PydanticCustomError(
                "login", f"nobody logs in with {variable(('kafka_security_protocol',))}={protocol}"
            )
        return value

    @field_validator("kafka_ca_file")
    @classmethod
    def _authorities_go_with_encryption(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("kafka_security_protocol")
        if protocol and value and not protocol.endswith("SSL"):
            raise PydanticCustomError(
                "tls", f"nothing is encrypted with {variable(('kafka_security_protocol',))}={protocol}"
            )
        if value and not Path(value).is_file():
            raise PydanticCustomError("tls", "there is no such file")
        return value

    @property
    def brokers(self) -> Brokers:
        """All of it."""
        return Brokers(
            self.kafka_bootstrap_servers,
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_username,
            self.kafka_password,
            self.kafka_ca_file,
        )


def read_brokers(addresses: str) -> Brokers:
    """The brokers at these addresses, with the way in that the environment tells.

    Raises:
        Invalid: with every variable that is wrong.
    """
    try:
        return KafkaSettings(kafka_bootstrap_servers=addresses).brokers
    except ValidationError as error:
        raise mistakes(error) from None
