"""Values of parameters, inputs and queries."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

Scalar = str | int | float | bool
"""A value that a placeholder can stand for."""


class _AsOne:
    """For `Annotated`: one mistake where a union has one for each of its members."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        message = "expected a text, a number, or true or false"
        union: CoreSchema = {**handler(source), "custom_error_type": "scalar", "custom_error_message": message}
        return union


InputValue = Annotated[Scalar, _AsOne()]
"""A value of an input, of which a job may bring a hundred thousand."""

QueryValue = Scalar | Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=1000)]
"""A value of a query parameter, or several: the parameter is sent once for each."""

MOST_QUERY_VALUES = 1000
_LONGEST_QUERY_NAME = 2048
"""As long as a URL may be: a query without `=`, such as a signed token, is a name as a whole."""


def _check_query(value: Any) -> Any:
    """Before the values are read: each mistake in one has the parameter's name in its place."""
    if isinstance(value, dict) and value:
        count = sum(len(one) if isinstance(one, (list, tuple)) else 1 for one in value.values())
        if count > MOST_QUERY_VALUES:
            raise ValueError(f"expected at most {MOST_QUERY_VALUES} values in all, got {count}")
        if max(len(str(name)) for name in value) > _LONGEST_QUERY_NAME:
            raise ValueError(f"expected names of at most {_LONGEST_QUERY_NAME} characters")
    return value


Query = Annotated[dict[str, QueryValue], BeforeValidator(_check_query)]
"""The parameters of a query, by their names; at most 1000 values in all."""
