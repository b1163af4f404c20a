"""URLs of databases. Errors do not repeat a URL: in one that a password breaks, its pieces
are where a name or a port should be."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic_core import PydanticCustomError

from shared.errors import Invalid, Problem

_EXPECTED = (
    "expected postgresql://LOGIN@HOST:PORT/DATABASE, with a password after the login as LOGIN:PASSWORD or given apart; "
    "in both of them / ? # @ : % are written as %2F %3F %23 %40 %3A %25"
)


@dataclass(frozen=True, slots=True)
class Login:
    """A database's URL, and the password, if that is not in the URL."""

    url: str
    password: str = field(default="", repr=False)


def checked(url: str) -> str:
    """The URL, if it names a login, a host and one database.

    Raises:
        PydanticCustomError: it does not.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    known = parts.scheme in {"postgresql", "postgres"} and parts.username
    somewhere = parts.hostname or "host=" in parts.query
    if not (known and somewhere and database_of(url) and "/" not in parts.path[1:] and "#" not in url):
        raise PydanticCustomError("database_url", _EXPECTED)
    return url


def checked_if_given(url: str) -> str:
    """The same, where there may be none."""
    return checked(url) if url else url


def unusable(variable: str) -> Invalid:
    """For what a client says of a URL: it repeats parts of it."""
    return Invalid(
        [Problem(variable, "this URL cannot be used: look at its port, and at what follows a question mark")]
    )


def database_of(url: str) -> str:
    """The database's name."""
    return unquote(urlsplit(url).path[1:])


def password_of(login: Login) -> str:
    """The password, wherever it is; empty without one."""
    return login.password or unquote(urlsplit(login.url).password or "")
