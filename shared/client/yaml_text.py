"""YAML text → values. Plain words are what the core schema of YAML 1.2 says they are, as long as nothing of what was
written is lost by that: no file may mean something else than it seems to."""

import math
import re
from typing import Any

import yaml
from pydantic_core import to_json

_TAG = "tag:yaml.org,2002:"
_BOOL, _INT, _FLOAT, _MERGE = f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float", f"{_TAG}merge"
_KINDS = (f"{_TAG}null", _BOOL, f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map", None)
"""What JSON has, too. None stands for every other tag, which is refused."""


def read_yaml(text: str) -> list[Any]:
    """The documents in a text.

    Raises:
        YAMLError: it is not YAML, an object has a key twice, or a value has no form in JSON.
    """
    documents = list(yaml.load_all(text, _Loader))
    for document in documents:
        try:
            to_json(document)
        except ValueError as error:
            raise yaml.YAMLError(f"not a value that JSON has: {error}") from None
    return documents


class _Loader(yaml.SafeLoader):
    """`on`, `no`, dates, `1_000` and `20:30` are text. So are numbers with a leading zero or plus sign, such as `01234`
    and `+49`, which the core schema would cut, and `.inf` and `.nan`, which JSON does not have."""

    yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] in (*_KINDS, _MERGE) and pair[0] != _BOOL]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {tag: made for tag, made in yaml.SafeLoader.yaml_constructors.items() if tag in _KINDS}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """As inherited, but no key may stand twice in an object: all but the last would be lost."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        marks: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if (first := marks.get((key.tag, key.value))) is not None:
                again = f"the key {key.value} stands twice in one object, first in line {first.line + 1}"
                raise yaml.composer.ComposerError(None, None, again, key.start_mark)
            marks[key.tag, key.value] = key.start_mark
        return node


def _read_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    try:
        return int(text, base)
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, "not a whole number", node.start_mark) from None


def _read_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    try:
        number = float(str(loader.construct_scalar(node)))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise yaml.constructor.ConstructorError(None, None, "not a number, or beyond all bounds", node.start_mark)
    return number


_Loader.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    _INT, re.compile(r"(?:-?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    list("-.0123456789"),
)
_Loader.add_constructor(_INT, _read_int)
_Loader.add_constructor(_FLOAT, _read_float)
