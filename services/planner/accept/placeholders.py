"""Fills `{parameters.name}` in a request, encoded for the place it stands in. `{{` is a brace. Pure."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.errors import Problem
from shared.specification.source import Request
from shared.specification.values import Scalar

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def fill(request: Request, parameters: Mapping[str, Scalar]) -> Request | list[Problem]:
    """The request with its placeholders filled, or one problem for each unknown one."""
    problems: list[Problem] = []

    def value_of(name: str, pointer: str) -> Scalar:
        key = name.removeprefix("parameters.")
        if name.startswith("parameters.") and key in parameters:
            return parameters[key]
        known = ", ".join(f"{{parameters.{known}}}" for known in parameters) or "none"
        problems.append(Problem(pointer, f"unknown placeholder {{{name}}}; known here: {known}"))
        return ""

    def text(template: str, pointer: str, *, in_path: bool = False) -> str:
        def one(match: re.Match[str]) -> str:
            if match[0] in ("{{", "}}"):
                return match[0][0]
            found = str(value_of(match[1], pointer))
            return quote(found, safe="") if in_path else found

        return _PLACEHOLDER.sub(one, template)

    def whole(value: Any, pointer: str) -> Any:
        """A placeholder that is the whole value keeps the type of what it stands for."""
        match value:
            case str():
                alone = _PLACEHOLDER.fullmatch(value)
                return value_of(alone[1], pointer) if alone and alone[1] else text(value, pointer)
            case dict():
                return {name: whole(inner, f"{pointer}/{name}") for name, inner in value.items()}
            case list():
                return [whole(inner, f"{pointer}/{index}") for index, inner in enumerate(value)]
            case _:
                return value

    at = "/poll/request"
    filled = request.model_copy(
        update={
            "path": text(request.path, f"{at}/path", in_path=True),
            "query": {name: whole(value, f"{at}/query/{name}") for name, value in request.query.items()},
            "headers": {name: text(value, f"{at}/headers/{name}") for name, value in request.headers.items()},
            "json_": whole(request.json_, f"{at}/json"),
        }
    )
    return problems or filled
