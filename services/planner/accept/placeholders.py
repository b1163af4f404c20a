"""Fills `{parameters.name}` in a request, encoded for the place it stands in. `{{` is a brace. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.errors import Problem
from shared.specification.request import Request
from shared.specification.values import Scalar

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_AT = "/poll/request"


def fill(request: Request, parameters: Mapping[str, Scalar]) -> Request | list[Problem]:
    """The request with its placeholders filled, or one problem for each unknown one."""
    pen = _Pen(parameters)
    filled = request.model_copy(
        update={
            "path": pen.text(request.path, f"{_AT}/path", in_path=True),
            "query": {name: pen.whole(value, f"{_AT}/query/{name}") for name, value in request.query.items()},
            "headers": {name: pen.text(value, f"{_AT}/headers/{name}") for name, value in request.headers.items()},
            "json_": pen.whole(request.json_, f"{_AT}/json"),
        }
    )
    return pen.problems or filled


class _Pen:
    """Writes values into templates and keeps the problems it met."""

    def __init__(self, parameters: Mapping[str, Scalar]) -> None:
        self.problems: list[Problem] = []
        self._parameters = parameters

    def text(self, template: str, pointer: str, *, in_path: bool = False) -> str:
        """A text with every placeholder filled; in a path the values are percent-encoded."""

        def one(match: re.Match[str]) -> str:
            if match[0] in ("{{", "}}"):
                return match[0][0]
            found = str(self._value(match[1], pointer))
            return quote(found, safe="") if in_path else found

        return _PLACEHOLDER.sub(one, template)

    def whole(self, value: Any, pointer: str) -> Any:
        """Any JSON value. A placeholder that is the whole of a text keeps the type of what it stands for."""
        match value:
            case str():
                alone = _PLACEHOLDER.fullmatch(value)
                return self._value(alone[1], pointer) if alone and alone[1] else self.text(value, pointer)
            case dict():
                return {name: self.whole(inner, f"{pointer}/{name}") for name, inner in value.items()}
            case list():
                return [self.whole(inner, f"{pointer}/{index}") for index, inner in enumerate(value)]
            case _:
                return value

    def _value(self, name: str, pointer: str) -> Scalar:
        key = name.removeprefix("parameters.")
        if name.startswith("parameters.") and key in self._parameters:
            return self._parameters[key]
        known = ", ".join(f"{{parameters.{known}}}" for known in self._parameters) or "none"
        self.problems.append(Problem(pointer, f"unknown placeholder {{{name}}}; known here: {known}"))
        return ""
