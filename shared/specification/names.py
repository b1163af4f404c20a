"""Members of tagged unions by their names alone: `pages: auto` for `pages: {style: auto}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from shared.specification.values import Strict


@dataclass(frozen=True, slots=True)
class OrName:
    """For `Annotated`, behind the discriminator `tag`: takes a member's name where the member needs nothing else, too.
    A document that is written out again has the long form."""

    tag: str
    members: tuple[type[Strict], ...]

    @property
    def short(self) -> tuple[str, ...]:
        """The names that say everything."""
        return tuple(name for name, needed in self._needed.items() if not needed)

    def in_full(self, value: Any) -> Any:
        """A name that says everything in its long form; any other value as it is."""
        return {self.tag: value} if isinstance(value, str) and self._needed.get(value) == () else value

    @property
    def _needed(self) -> Mapping[str, Sequence[str]]:
        return _needed(self.tag, self.members)

    def _read(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.short:
            return self.in_full(value)
        needed = self._needed
        if value not in needed:
            raise PydanticKnownError("literal_error", {"expected": f"{', '.join(needed)} or an object with {self.tag}"})
        shown = ", ".join(f"{name}: …" for name in needed[value])
        raise ValueError(f"{value} needs more than its name: expected {{{self.tag}: {value}, {shown}}}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.short)}, handler(schema)]}


@cache
def _needed(tag: str, members: tuple[type[Strict], ...]) -> Mapping[str, Sequence[str]]:
    """What each member needs beside its tag, by its name."""
    return {
        get_args(member.model_fields[tag].annotation)[0]: tuple(
            name for name, field in member.model_fields.items() if field.is_required() and name != tag
        )
        for member in members
    }
