"""Pydantic's errors in the words of the language: what was expected, and the nearest name that is known at that place.
Pure."""

import difflib
from collections.abc import Callable, Collection, Iterator
from typing import Any, get_args

from pydantic import BaseModel

from shared.errors import Problem

_DURATION = "expected a duration with its unit, such as 250ms, 30s, 5m, 2h, 7d or ISO 8601"
_SCALARS = frozenset({"string_type", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing"})
_ONE_OF_A_UNION = frozenset({"literal_error", "tuple_type", "bool_parsing", "int_from_float", *_SCALARS})
_PATTERNS = {
    r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$": "lower case letters, digits, dots and hyphens, at most 63",
    r"^[a-z][a-z0-9_]{0,62}$": "lower case letters, digits and underscores, at most 63, a letter first",
    r"^[A-Za-z0-9-]{1,64}$": "letters, digits and hyphens, at most 64",
    r"^[\x20-\x7e]*$": "printable ASCII characters",
}
_MOST_NAMES = 12
_NOT_YET = {
    **dict.fromkeys(("incremental", "changes"), "pages"),
    "schema": "select",
    **dict.fromkeys(("urgent_share", "cost"), "in_flight"),
    **dict.fromkeys(("jitter", "backfill"), "cron"),
    **dict.fromkeys(("oauth2", "session", "hmac", "mtls"), "bearer"),
    **dict.fromkeys(("window", "list"), "keyset"),
    "files": "postgres",
    **dict.fromkeys(("buffer_one", "cancel_other"), "skip"),
}
"""Fields and kinds that the language is to have, each with one that is there already at the same place."""


Tell = Callable[[dict[str, Any]], str]


def detail_of(error: dict[str, Any], root: Any) -> str:
    """What was expected. `root` is the type that was to be made, by which the names at a place are known."""
    kind, place = error["type"], error["loc"]
    if kind == "extra_forbidden":
        name, known = str(place[-1]), sorted(_names_at(root, place[:-1]))
        return _not_yet(name, known) or f"unknown field{_near(name, known)}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        names = sorted(_names_at(root, place))
        return "expected an object" + (f" with {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES else "")
    tell = _TELL.get(kind)
    message = str(error["msg"])
    return (tell(error) if tell else "") or message[0].lower() + message[1:]


def _of_bounds(error: dict[str, Any]) -> str:
    context, value = error["ctx"], error.get("input")
    if not isinstance(value, (int, float)):
        return ""
    return (
        f"must be at least {context['ge']}, got {value}"
        if "ge" in context
        else f"must be at most {context['le']}, got {value}"
    )


def _of_length(error: dict[str, Any]) -> str:
    context = error["ctx"]
    bound = f"at least {context['min_length']}" if "min_length" in context else f"at most {context['max_length']}"
    return f"expected {bound} of them, got {context['actual_length']}"


def _of_kind(error: dict[str, Any]) -> str:
    known = [tag.strip(" '") for tag in error["ctx"]["expected_tags"].split(",")]
    return _expected(" or ".join((", ".join(known[:-1]), known[-1])), str(error["ctx"]["tag"]), known)


def _of_words(error: dict[str, Any]) -> str:
    expected = error["ctx"]["expected"].replace("'", "").replace("True", "true")
    return _expected(expected, str(error.get("input")), expected.replace(" or ", ", ").split(", "))


def _expected(told: str, given: str, known: list[str]) -> str:
    future = _not_yet(given, known)
    return f"{given} is {future}; expected {told}" if future else f"expected {told}{_meant(given, known)}"


def _not_yet(name: str, known: list[str]) -> str:
    return "not there yet" if _NOT_YET.get(name) in known else ""


def _of_pattern(error: dict[str, Any]) -> str:
    words = _PATTERNS.get(error["ctx"]["pattern"])
    return f"expected {words}" if words else ""


_TELL: dict[str, Tell] = {
    "missing": lambda error: "is missing and has no default",
    "value_error": lambda error: str(error["ctx"]["error"]),
    "greater_than_equal": _of_bounds,
    "less_than_equal": _of_bounds,
    "too_short": _of_length,
    "too_long": _of_length,
    "union_tag_not_found": lambda error: (
        f"expected {error['ctx']['discriminator'].strip(chr(39))} in it, which says its kind"
    ),
    "union_tag_invalid": _of_kind,
    "literal_error": _of_words,
    "string_pattern_mismatch": _of_pattern,
    **dict.fromkeys(("tuple_type", "list_type"), lambda error: "expected a list"),
    **dict.fromkeys(("time_delta_parsing", "time_delta_type"), lambda error: _DURATION),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda error: "expected a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), lambda error: "expected a number"),
    "string_type": lambda error: "expected a text",
    "bool_type": lambda error: "expected true or false",
}


def unknown(what: str, name: str, known: Collection[str]) -> Problem:
    """The problem of a vendor, source … that nobody has configured, with the nearest name that somebody has."""
    return Problem(f"/{what}", f"no {what} is called {name}{_meant(name, list(known))}")


def input_of_poll(source: str) -> Problem:
    """The problem of a job that brings an input for a source which submits nothing."""
    return Problem("/input", f"belongs to invoke, and {source} is a poll")


def without_echoes(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One error for each mistake: where a value may be one of several kinds, pydantic tells why it is none of each."""
    kept: dict[Any, dict[str, Any]] = {}
    for error in errors:
        before = kept.get(error["place"])
        if before is None or error["place"] == () or error["type"] == before["type"] == "extra_forbidden":
            kept[error["place"] or (len(kept),)] = error
        elif before["type"] in _ONE_OF_A_UNION and error["type"] not in _ONE_OF_A_UNION:
            kept[error["place"]] = error
        elif before["type"] in _SCALARS and error["type"] in _ONE_OF_A_UNION:
            kept[error["place"]] = {**before, "type": "scalar", "msg": "expected a text, a number, or true or false"}
    found = list(kept.values())
    return [one for one in found if one["type"] != "too_short" or not _is_above(one, found)]


def _is_above(one: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """What is empty only because its items are wrong."""
    place = one["place"]
    return any(len(other["place"]) > len(place) and other["place"][: len(place)] == place for other in others)


def _near(name: str, known: list[str]) -> str:
    near = _meant(name, known)
    if near or not 0 < len(known) <= _MOST_NAMES:
        return near
    return f"; known here: {', '.join(known)}"


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != name else ""


def _names_at(root: Any, place: tuple[int | str, ...]) -> set[str]:
    """The names of the fields that an object at this place may have; tags in it choose among the members of unions."""
    models = set(_models(root))
    for step in place:
        if isinstance(step, int):
            continue
        fields = [fields for model in models if (fields := _fields(model).get(step)) is not None]
        if fields:
            models = {inner for annotation in fields for inner in _models(annotation)}
        else:
            models = {model for model in models if _has_tag(model, step)} or models
    return {name for model in models for name in _fields(model)}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _has_tag(model: type[BaseModel], step: str) -> bool:
    return step.rpartition(":")[2] in model.model_fields or any(
        step in get_args(annotation) for annotation in _fields(model).values()
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
