"""Bounds that are checked before a document's values are read. Pydantic itself counts the members of a list or an
object last, when it has noted every mistake in them: 1 MiB may have a million, which take a gigabyte."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

_MOST_WRONG = 1000
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class AtMost:
    """For `Annotated`, beside `max_length`: the values of a list or an object with more members are not read."""

    count: int

    def _check(self, value: Any) -> Any:
        if isinstance(value, (list, tuple, dict)) and len(value) > self.count:
            kind = "Dictionary" if isinstance(value, dict) else "Tuple"
            counts = {"max_length": self.count, "actual_length": len(value)}
            raise PydanticKnownError("too_long", {"field_type": kind, **counts})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))


def _few_wrong(values_in: Callable[[Any], Iterator[Any]]) -> BeforeValidator:
    def check(value: Any) -> Any:
        wrong = sum(not isinstance(one, _SCALARS) for one in values_in(value))
        if wrong > _MOST_WRONG:
            raise ValueError(f"expected texts, numbers, or true or false; {wrong} of these values are none")
        return value

    return BeforeValidator(check)


def _values_of_query(query: Any) -> Iterator[Any]:
    for value in query.values() if isinstance(query, dict) else ():
        yield from value if isinstance(value, (list, tuple)) and value else (value,)


def _values_of_inputs(inputs: Any) -> Iterator[Any]:
    for one in inputs if isinstance(inputs, (list, tuple)) else ():
        yield from one.values() if isinstance(one, dict) else (one,)


FEW_WRONG_IN_QUERY = _few_wrong(_values_of_query)
FEW_WRONG_IN_INPUTS = _few_wrong(_values_of_inputs)
"""For `Annotated`: if very many values are no texts, numbers, or true or false, that is one mistake."""
