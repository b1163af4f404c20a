"""How settings are read from the environment: variables `SLUICE_<FIELD>`, mistakes in which are reported by name."""

from typing import Annotated

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from shared.errors import Invalid, Problem
from shared.secrets import SecretMissing, resolve_own

PREFIX = "SLUICE_"
OWN_SECRET = "own secret"

OwnSecret = Annotated[str, OWN_SECRET]
"""A setting that refers to a secret, env:NAME or file:/PATH, which specifications cannot name then."""

REFERENCE = r"^(env:.+|file:/.+)?$"
"""What such a setting may be."""

FROM_ENVIRONMENT = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)


def variable(place: tuple[int | str, ...]) -> str:
    """The variable of a field."""
    return PREFIX + "_".join(map(str, place)).upper()


def mistakes(error: ValidationError) -> Invalid:
    """Every variable that is wrong, without what it holds."""
    return Invalid([Problem(variable(found["loc"]), found["msg"]) for found in error.errors()])


def own_secret(field: str, reference: str) -> str:
    """The secret that a setting refers to.

    Raises:
        Invalid: it is not there, or empty.
        Unavailable: it cannot be read for now.
    """
    try:
        return resolve_own(reference)
    except SecretMissing as error:
        raise wrong(field, str(error)) from None


def wrong(field: str, detail: str) -> Invalid:
    """A setting whose mistake shows when it is used."""
    return Invalid([Problem(variable((field,)), detail)])
