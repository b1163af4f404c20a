"""Pydantic's errors in the words of the language: what was expected, and the nearest name that is known at that place.
Pure."""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from shared.errors import Problem
from shared.specification.places import Found, Location, Places

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
    **dict.fromkeys(("over", "then"), "style"),
    "schema": "select",
    **dict.fromkeys(("urgent_share", "cost"), "in_flight"),
    **dict.fromkeys(("jitter", "backfill"), "cron"),
    **dict.fromkeys(("oauth2", "session", "hmac", "mtls"), "bearer"),
    **dict.fromkeys(("window", "list"), "keyset"),
    "files": "postgres",
    **dict.fromkeys(("buffer_one", "cancel_other"), "skip"),
}
"""Fields and kinds that the language is to have, each with one that is there already at the same place."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of pydantic's errors, and where in the document it is."""

    error: dict[str, Any]
    found: Found
    around: Found
    """What it is in, for a field that is unknown there."""

    @property
    def place(self) -> Location:
        """The steps from the document to the mistake. A tag that is none is a field of what it says the kind of."""
        if self.error["type"] != "union_tag_invalid":
            return self.found.place
        return (*self.found.place, self.error["ctx"]["discriminator"].strip("'"))

    @property
    def detail(self) -> str:
        """What was expected."""
        kind = self.error["type"]
        if kind == "extra_forbidden":
            name, known = str(self.place[-1]), sorted(self.around.field_names)
            return _not_yet(name, known) or f"unknown field{near(name, known)}"
        if kind in ("model_type", "model_attributes_type", "dict_type"):
            names = sorted(self.found.field_names)
            return "expected an object" + (f" with {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES else "")
        words = _WORDS.get(kind)
        message = str(self.error["msg"])
        return (words(self.error) if words else "") or message[0].lower() + message[1:]


def mistakes_of(errors: list[dict[str, Any]], root: Any) -> list[Mistake]:
    """Each mistake once. `root` is the type that was to be made, by which the names at a place are known."""
    places = Places(root)
    return _without_echoes([Mistake(one, places.find(one["loc"]), places.find(one["loc"][:-1])) for one in errors])


def _of_bounds(error: dict[str, Any]) -> str:
    context, value = error["ctx"], error.get("input")
    if not isinstance(value, (int, float)):
        return ""
    return (
        f"must be at least {context['ge']}, got {value}"
        if "ge" in context
        else f"must be at most {context['le']}, got {value}"
    )


def _got(error: dict[str, Any]) -> str:
    """What is no number, where it looks like one."""
    match error.get("input"):
        case bool(value):
            return ", got true" if value else ", got false"
        case str():
            return ", got a text"
        case _:
            return ""


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


def _expected(words: str, given: str, known: list[str]) -> str:
    future = _not_yet(given, known)
    return f"{given} is {future}; expected {words}" if future else f"expected {words}{_meant(given, known)}"


def _not_yet(name: str, known: list[str]) -> str:
    return "not there yet" if _NOT_YET.get(name) in known else ""


def _of_pattern(error: dict[str, Any]) -> str:
    words = _PATTERNS.get(error["ctx"]["pattern"])
    return f"expected {words}" if words else ""


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
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
    **dict.fromkeys(("int_type", "int_from_float"), lambda error: f"expected a whole number{_got(error)}"),
    "float_type": lambda error: f"expected a number{_got(error)}",
    "string_type": lambda error: "expected a text",
    "bool_type": lambda error: "expected true or false",
}


def unknown(what: str, name: str, known: Collection[str]) -> Problem:
    """The problem of a vendor, source … that is not configured, with the nearest name that is."""
    return Problem(f"/{what}", f"no {what} is called {name}{_meant(name, list(known))}")


def input_of_poll(source: str) -> Problem:
    """The problem of a job that brings an input for a source which submits nothing."""
    return Problem("/input", f"belongs to invoke, and {source} is a poll")


def _without_echoes(mistakes: list[Mistake]) -> list[Mistake]:
    """One mistake for each place of a union of texts, numbers …: pydantic says there why the value is none of each.
    None where the mistakes are below: in one of several values, or in all items of what has too few without them."""
    kept: dict[Any, Mistake] = {}
    for number, one in enumerate(mistakes):
        key = one.found.place if not one.found.is_chosen else number
        kept[key] = _likelier(kept[key], one) if key in kept else one
    above = {one.place[:length] for one in kept.values() for length in range(len(one.place))}
    return [one for one in kept.values() if not (_may_echo(one) and one.place in above)]


def _may_echo(one: Mistake) -> bool:
    return not one.found.is_chosen or one.error["type"] == "too_short"


def _likelier(before: Mistake, one: Mistake) -> Mistake:
    """Of two mistakes at the same place the one that its writer more likely made."""
    kinds = before.error["type"], one.error["type"]
    if kinds[0] in _ONE_OF_A_UNION and kinds[1] not in _ONE_OF_A_UNION:
        return one
    if kinds[0] in _SCALARS and kinds[1] in _ONE_OF_A_UNION:
        error = {**before.error, "type": "scalar", "msg": "expected a text, a number, or true or false"}
        return replace(before, error=error)
    return before


def near(name: str, known: list[str]) -> str:
    """The nearest of the names that are known at a place, or else all of them, if these are few."""
    meant = _meant(name, known)
    if meant or not 0 < len(known) <= _MOST_NAMES:
        return meant
    return f"; known here: {', '.join(known)}"


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != name else ""
