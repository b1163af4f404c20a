"""Which part of a document an error of pydantic is about. Its location also names members of unions and marks keys of
mappings; the types tell these steps from fields and items, whatever users call theirs. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

Location = tuple[int | str, ...]
_KEY = "[key]"


@dataclass(frozen=True, slots=True)
class Found:
    """A place in a document, and the types that a value may have there. Without `is_chosen` the place is that of a
    union, and nothing says which of its members the value should be (`str | int`)."""

    place: Location
    types: tuple[Any, ...]
    is_chosen: bool = True
    is_value: bool = False

    @property
    def field_names(self) -> set[str]:
        """The names that an object may have at this place; of a union whose member is unknown, those that all have."""
        names = [set(fields_of(one)) for one in self.members if _is_model(one)]
        is_open = len(self.members) > len(self.types)
        return set.intersection(*names) if names and is_open else set().union(*names)

    @property
    def members(self) -> tuple[Any, ...]:
        """The types, with the members of unions in their place."""
        return tuple(one for kind in self.types for one in members_of(kind))

    def below(self, step: int | str) -> "Found":
        """Where the next step of a location leads."""
        members = self.members
        if len(members) > len(self.types):
            types = tuple(one for one in members if _is_called(one, step)) or members
            return Found(self.place, types, is_chosen=len(types) == 1)
        if step == _KEY and self.is_value:
            return self
        types = tuple(inner for one in members for inner in _below(one, step))
        return Found((*self.place, step), types, is_value=any(get_origin(_bare(one)) is dict for one in members))


class Places:
    """The places in values that were to become `root`."""

    def __init__(self, root: Any) -> None:
        self._found: dict[Location, Found] = {(): Found((), (root,))}

    def find(self, location: Location) -> Found:
        """The place of an error. Errors share most of their ways, so each part of these is walked once."""
        found = self._found.get(location)
        if found is None:
            found = self._found[location] = self.find(location[:-1]).below(location[-1])
        return found


def members_of(kind: Any) -> tuple[Any, ...]:
    """What a union chooses from; any other type is the only member of itself. None is no member of its own."""
    bare = _bare(kind)
    if get_origin(bare) not in (Union, UnionType):
        return (kind,)
    members = tuple(one for one in get_args(bare) if one is not NoneType)
    return members_of(members[0]) if len(members) == 1 else members


def fields_of(kind: Any) -> dict[str, Any]:
    """The types of a model's fields, by the names that they have in documents."""
    return {field.alias or name: field.annotation for name, field in _bare(kind).model_fields.items()}


def _below(kind: Any, step: int | str) -> Iterator[Any]:
    """The type of a field, item or value."""
    bare = _bare(kind)
    if _is_model(kind):
        yield from (type_ for name, type_ in fields_of(kind).items() if name == step)
    elif get_origin(bare) is dict:
        yield get_args(bare)[1]
    elif get_origin(bare) in (tuple, list) and isinstance(step, int):
        yield get_args(bare)[0]


def _is_called(member: Any, step: int | str) -> bool:
    """Whether this is the member of a tagged union that a location names."""
    if get_origin(member) is Annotated and any(isinstance(one, Tag) and one.tag == step for one in get_args(member)):
        return True
    return _is_model(member) and any(get_args(type_) == (step,) for type_ in fields_of(member).values())


def _is_model(kind: Any) -> bool:
    bare = _bare(kind)
    return isinstance(bare, type) and issubclass(bare, BaseModel)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
