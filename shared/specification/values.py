"""Small typed values of the language: durations, sizes, shares, secret references, names, expressions."""

import difflib
import math
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from shared.specification.expressions import mistake_in, roots_of, roots_with_steps

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""In milliseconds."""
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SIZES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|kB|MB|GB)?")
_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+")
FARTHEST = timedelta(days=3660)
"""The longest time that can be said, and how far away anything may be planned: ten years."""
_BEYOND = "expected a duration between 0 and 10 years"
_MILLISECOND = timedelta(milliseconds=1)
_TOO_FINE = "expected whole milliseconds"
_NO_SIZE = "expected a size such as 64KiB, 10MB or a number of bytes"
_NO_SHARE = "expected a share such as 1% or 0.01"


def is_finite(document: Any) -> bool:
    """Whether a document is free of NaN and infinities, which JSON has no form for: they would go on as null."""
    match document:
        case float():
            return math.isfinite(document)
        case dict():
            return all(map(is_finite, document.values()))
        case list() | tuple():
            return all(map(is_finite, document))
        case _:
            return True


@dataclass(frozen=True, slots=True)
class Words:
    """For `Annotated`: what the reference calls a type, where its Python type says too little."""

    text: str


@dataclass(frozen=True, slots=True)
class AtMost:
    """For `Annotated`: the most that a list or object may hold. What holds more is refused before its contents are
    read: pydantic's own limit counts when everything is read, and a megabyte has room for a hundred thousand mistakes.
    """

    max_length: int

    def _check(self, value: Any) -> Any:
        if isinstance(value, (dict, list, tuple)) and len(value) > self.max_length:
            counts = {"field_type": "Value", "max_length": self.max_length, "actual_length": len(value)}
            raise PydanticKnownError("too_long", counts)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        limited: Any = {**handler(source), "max_length": self.max_length}
        return core_schema.no_info_before_validator_function(self._check, limited)


@dataclass(frozen=True, slots=True)
class Between:
    """For `Annotated`: the bounds of a number, which is written as one. Every number in a document has them, unless it
    is a size or a share: pydantic alone would take true for 1, and read the digits in a text."""

    ge: float
    le: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        bounded: Any = {**handler(source), "ge": self.ge, "le": self.le}
        mistake: Any = f"{bounded['type']}_type"

        def check(value: Any) -> Any:
            if isinstance(value, (bool, str)):
                raise PydanticKnownError(mistake)
            return value

        return core_schema.no_info_before_validator_function(check, bounded)


class Strict(BaseModel):
    """Base of every part of the language: unknown fields are mistakes, values never appear in error texts.

    The docstrings below fields are for users: the reference and the JSON Schema repeat them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def mistake_of(field: str, detail: str) -> ValidationError:
    """For validators of whole objects: what is wrong with a field, where only another field tells it."""
    return ValidationError.from_exception_data(
        field, [{"type": PydanticCustomError("mistake_of_field", detail), "loc": (field,), "input": None}]
    )


def read_duration(value: Any) -> Any:
    """`90s`, `1h30m`, `250ms` → timedelta; anything else is left to pydantic (ISO 8601, timedelta)."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        try:
            milliseconds = sum(Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(value))
        except ArithmeticError:
            raise ValueError(_BEYOND) from None
        if milliseconds > FARTHEST / _MILLISECOND:
            raise ValueError(_BEYOND)
        if milliseconds % 1:
            raise ValueError(_TOO_FINE)
        return timedelta(milliseconds=int(milliseconds))
    if isinstance(value, (int, float)):
        raise ValueError("expected a duration with its unit, such as 250ms, 30s, 5m, 2h, 7d or ISO 8601")
    return value


def _check_duration(value: timedelta) -> timedelta:
    if not timedelta() <= value <= FARTHEST:
        raise ValueError(_BEYOND)
    if value % _MILLISECOND:
        raise ValueError(_TOO_FINE)
    return value


def write_duration(value: timedelta) -> str:
    """The shortest of the language's own forms that reads back to the same value."""
    milliseconds = value // _MILLISECOND
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def read_size(value: Any) -> Any:
    """`64KiB` → 65536 bytes; whole numbers are bytes."""
    if isinstance(value, bool):
        raise ValueError(_NO_SIZE)
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise ValueError(_NO_SIZE)
        return int(match[1]) * _SIZES[match[2] or ""]
    return value


def read_share(value: Any) -> Any:
    """`1%` → 0.01; numbers are shares of one."""
    if isinstance(value, bool) or (isinstance(value, str) and not value.endswith("%")):
        raise ValueError(_NO_SHARE)
    if isinstance(value, str):
        try:
            return float(Decimal(value[:-1]) / 100)
        except ArithmeticError:
            raise ValueError(_NO_SHARE) from None
    if isinstance(value, int) and value:
        raise ValueError(f"{_NO_SHARE}; all of it is 100% or 1.0")
    return value


def _check_secret(value: str) -> str:
    if not _SECRET.fullmatch(value):
        raise ValueError("expected a reference to a secret, env:NAME or file:/PATH, never the secret itself")
    return value


def _check_expression(value: str) -> str:
    if "\0" in value:
        raise ValueError("expected no NUL character, which cannot be stored")
    mistake = mistake_in(value)
    if mistake:
        raise ValueError(f"not a JMESPath expression: {mistake}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    AfterValidator(_check_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["250ms", "30s", "5m", "2h", "7d", "PT15M"]}),
    Words("duration"),
]
"""A length of time in whole milliseconds, written `250ms 30s 5m 2h 7d` or as ISO 8601."""

Size = Annotated[
    int,
    BeforeValidator(read_size),
    Field(ge=1, le=1024**4),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 1, "examples": ["64KiB", "10MB", 65536]}),
    Words("size"),
]
"""A number of bytes, written `64KiB`, `10MB` or as a number."""

Share = Annotated[
    float,
    BeforeValidator(read_share),
    Field(ge=0, le=1),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1, "examples": ["1%", 0.01]}),
    Words("share"),
]
"""A part of one, written `1%` or `0.01`."""

SecretReference = Annotated[str, AfterValidator(_check_secret), Words("secret reference")]
"""Where a secret is found: `env:NAME` or `file:/PATH`. Resolved only where it is used."""


def _over(otherwise: str, *names: str) -> AfterValidator:
    """Refuses what looks for other names in the document: it would be accepted, and never find anything."""

    def check(value: str) -> str:
        unknown = sorted(roots_of(value) - set(names))
        if unknown:
            near = difflib.get_close_matches(unknown[0], names, n=1) or [f"body.{unknown[0]}"]
            raise ValueError(f"{unknown[0]} is {otherwise}; did you mean {near[0]}?")
        return value

    return AfterValidator(check)


Expression = Annotated[
    str, Field(min_length=1, max_length=2000), AfterValidator(_check_expression), Words("expression")
]
"""A JMESPath expression over a document of its own, such as a record."""

AnswerExpression = Annotated[
    Expression,
    _over("none of body, headers and status", "body", "headers", "status"),
    Words("expression over an answer"),
]
"""A JMESPath expression over an answer: `body`, `headers` (their names in lower case) and `status`."""

MessageExpression = Annotated[
    Expression, _over("neither body nor headers", "body", "headers"), Words("expression over a message")
]
"""A JMESPath expression over what others send, callbacks and webhooks: `body` and `headers`; it has no status."""


def _check_record_expression(value: str) -> str:
    if "body" in roots_with_steps(value):
        raise ValueError("is looked for in a record itself: leave body. out, or write @.body for a field of that name")
    return value


RecordExpression = Annotated[Expression, AfterValidator(_check_record_expression), Words("expression over a record")]
"""A JMESPath expression over one record: `id` or `record.id`, not `body.id`, which would never find anything."""

BodyExpression = Annotated[Expression, _over("not body", "body"), Words("expression over a body")]
"""A JMESPath expression over the `body` of an answer that is kept."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$"), Words("name")]
"""A name of a vendor, source, hook or schedule: lower case letters, digits, dots and hyphens, at most 63 characters."""


def _check_job_id(value: UUID) -> UUID:
    if not value.int:
        raise ValueError("expected an id of its own, not the nil UUID")
    return value


JobId = Annotated[UUID, AfterValidator(_check_job_id)]
"""The id that a job's sender may give it."""
