"""The types and defaults of the specification's fields in plain words, for the reference. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

from shared.specification.names import OrName
from shared.specification.places import members_of
from shared.specification.values import Strict, Words

Model = type[BaseModel]

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", UUID: "UUID", Any: "any JSON value"}
_SCALARS = (str, int, float, bool)
_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_SIZES = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}


def is_tag(field: FieldInfo) -> bool:
    """Whether a field only says which member of a union its object is."""
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return field.is_required() and len(choices) == 1 and isinstance(choices[0], str)


def models_in(kind: Any) -> Iterator[Model]:
    """The models of which a value of this type is one, or a list of some."""
    if isinstance(kind, type) and issubclass(kind, Strict):
        yield kind
    elif get_origin(kind) is not Literal:
        for inner in get_args(kind):
            yield from models_in(inner)


def tag_of(kind: Any, model: Model) -> str:
    """How a document says that a value is of this model, among others that it could be."""
    for member in _flat(kind):
        if get_origin(member) is Annotated and get_args(member)[0] is model:
            return next((one.tag for one in get_args(member) if isinstance(one, Tag)), "")
    tags = [(field.alias or name, field) for name, field in model.model_fields.items() if is_tag(field)]
    return next((f"{name}: {get_args(field.annotation)[0]}" for name, field in tags), "")


def _flat(kind: Any) -> Iterator[Any]:
    """A type and its parts."""
    yield kind
    if get_origin(kind) is not Literal:
        for inner in get_args(kind):
            yield from _flat(inner)


def words_of(kind: Any, links: dict[Model, str], many: str = "") -> str:
    """A type in plain words. `many` ends those of which a list has several."""
    kind = _without_none(kind)
    members = members_of(kind)
    extras = list(_extras(kind))
    bare = _bare(kind)
    for one in reversed(extras):
        if isinstance(one, Words):
            return one.text
    if len(members) > 1:
        return _union(kind, members, links)
    if bare in links:
        return f"[object{many}]({links[bare]})"
    if get_origin(bare) is Literal:
        return _either([f"`{_written(choice)}`" for choice in get_args(bare)])
    if get_origin(bare) is tuple:
        return f"list of {words_of(get_args(bare)[0], links, 's')}{_limits(extras, ' items')}"
    if get_origin(bare) is dict:
        of = get_args(bare)[1]
        return f"object{many}" if of is Any else f"object{many} with values: {words_of(of, links)}"
    return f"{_PLAIN[bare]}{_limits(extras, ' characters' if bare is str else '')}"


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _without_none(kind: Any) -> Any:
    members = get_args(_bare(kind))
    given = [one for one in members if one is not NoneType]
    return given[0] if len(given) == 1 < len(members) else kind


def _union(kind: Any, members: tuple[Any, ...], links: dict[Model, str]) -> str:
    if models := list(models_in(kind)):
        shown = ", ".join(f"[`{tag_of(kind, model)}`]({links[model]})" for model in models)
        short = [f"`{name}`" for one in _extras(kind) if isinstance(one, OrName) for name in one.short]
        return f"object with {shown}" + (f", or {', '.join(short)} alone" if short else "")
    parts = ["text, number or boolean"] if set(_SCALARS) <= set(members) else []
    parts += [words_of(one, links) for one in members if not parts or one not in _SCALARS]
    return (", or " if any("," in part for part in parts) else " or ").join(parts)


def _either(choices: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def _extras(kind: Any) -> Iterator[Any]:
    """What is annotated to a type, and not to its parts."""
    if get_origin(kind) is Annotated:
        inner, *extras = get_args(kind)
        yield from _extras(inner)
        yield from extras


def _limits(extras: list[Any], unit: str) -> str:
    least, most = None, None
    for one in extras:
        for limit in (one, *getattr(one, "metadata", ())):
            least = getattr(limit, "ge", getattr(limit, "min_length", least))
            most = getattr(limit, "le", getattr(limit, "max_length", most))
    if most is None:
        return ""
    return f", at most {most:,}{unit}" if least is None else f", {least:,} to {most:,}{unit}"


def default_of(kind: Any, field: FieldInfo) -> str:
    """What a field has that is not given."""
    value, words = field.default, {one.text for one in _extras(kind) if isinstance(one, Words)}
    if field.is_required():
        return "required"
    if value is None:
        return "–"
    if isinstance(value, BaseModel) and not (value := value.model_dump(by_alias=True, exclude_defaults=True)):
        return "its own defaults"
    if "size" in words:
        value = next(f"{value // size}{unit}" for unit, size in _SIZES.items() if value % size == 0)
    if "share" in words:
        value = f"{value:.0%}"
    return "empty" if value == "" else f"`{_written(value)}`"


def _written(value: Any) -> str:
    """As YAML has it, in one line."""
    match value:
        case str():
            return value
        case timedelta():
            milliseconds = round(value.total_seconds() * 1000)
            return next(f"{milliseconds // size}{unit}" for unit, size in _UNITS.items() if milliseconds % size == 0)
        case BaseModel():
            return _written(value.model_dump(by_alias=True, exclude_defaults=True))
        case dict():
            return f"{{{', '.join(f'{name}: {_written(inner)}' for name, inner in value.items())}}}"
        case tuple():
            return f"[{', '.join(map(_written, value))}]"
        case bool():
            return str(value).lower()
        case _:
            return f"{value:g}"
