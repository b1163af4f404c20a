"""The credentials that calls carry, as references to secrets."""

from typing import Annotated, Literal

from pydantic import Field

from shared.specification.values import SecretReference, Strict, Words


class BearerAuth(Strict):
    """`Authorization: Bearer <token>` (RFC 6750)."""

    type: Literal["bearer"]
    token: SecretReference
    """Where the token is found."""


class BasicAuth(Strict):
    """`Authorization: Basic …` (RFC 7617)."""

    type: Literal["basic"]
    username: str
    """The user name, as it is."""
    password: SecretReference
    """Where the password is found."""


class HeaderAuth(Strict):
    """A credential in a header of any name."""

    type: Literal["header"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), Words("header name")]
    """The header's name."""
    value: SecretReference
    """Where the header's value is found."""


class QueryAuth(Strict):
    """A credential in a query parameter."""

    type: Literal["query"]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    """The parameter's name."""
    value: SecretReference
    """Where the parameter's value is found."""


Auth = Annotated[BearerAuth | BasicAuth | HeaderAuth | QueryAuth, Field(discriminator="type")]
