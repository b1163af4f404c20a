"""The error tree.

Four branches decide what happens to the work in hand:

- `Unavailable`: infrastructure does not answer. Wait and try again; never a dead letter, never an attempt.
- `Rejected`: this message can never be handled. It goes to the dead-letter topic with its reason.
- `RefusedByTarget`: a user's table refuses it, by a rule that may be mended. Tried again a few times, then `Rejected`.
- `Invalid`: a user's mistake. It is reported with the place of each mistake and what was expected there.

Any other exception is a defect of ours. Too many defects in a row stop the consumer; the four branches never do.
What a vendor refuses is a value (a verdict), not an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a user's document: `pointer` is an RFC 6901 JSON Pointer, `detail` says what was expected."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"

    def within(self, place: str) -> "Problem":
        """The same, with the place of the document that it is a mistake of before it."""
        return Problem(f"{place}:{self.pointer or '/'}", self.detail)


class SluiceError(Exception):
    """The root of all errors that Sluice raises on purpose."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class Unavailable(SluiceError):
    """Infrastructure that this work needs does not answer."""


class Rejected(SluiceError):
    """This message can never be handled.

    `reason` is one of the short, documented words that dead letters are grouped by.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class RefusedByTarget(SluiceError):
    """A user's table refuses this message for now. `reason` is such a word, too; the text holds no values."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Invalid(SluiceError):
    """The document has mistakes; `problems` lists all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
