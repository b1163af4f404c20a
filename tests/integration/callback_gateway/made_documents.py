"""Documents made from the schemas of a description: valid ones, or nearly, and what is no document at all."""

import random
from typing import Any

TEXTS = (
    *("", "a", "acme", "é", "\x00", "../..", "%2e%2e", "x" * 300, "0", "-1", "1e999", "null", "'; --", "😀", "\ud7ff"),
    *("30s", "2h", "body.items[]", "body.ok == 'yes'", "https://a.example/items", "env:ACME_TOKEN", "/items"),
    *("2026-01-01T00:00:00Z", "0 3 * * *", "Europe/Berlin", "00000000-0000-0000-0000-000000000000"),
)
VALUES: tuple[Any, ...] = (*TEXTS, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, True, None, [], {}, [[]], {"a": {"b": []}})
_DEEP = 6


class Maker:
    """Makes documents of the schemas of one description."""

    def __init__(self, chance: random.Random, schemas: dict[str, Any]) -> None:
        self._chance = chance
        self._schemas = schemas
        self._names = sorted({name for schema in schemas.values() for name in schema.get("properties", ())})

    def make(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """A document as the schema has it, though not each rule is kept: texts are any, and lists may be short."""
        schema = self._chosen(schema)
        if "const" in schema or "enum" in schema:
            return self._chance.choice(schema.get("enum") or [schema["const"]])
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                count = self._chance.randrange(3) if depth < _DEEP else 0
                return [self.make(schema.get("items") or {}, depth + 1) for _ in range(count)]
            case scalar:
                return self._scalar(scalar, schema)

    def _chosen(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Behind references, one of the kinds that it may be."""
        while not {"$ref", "anyOf", "oneOf"}.isdisjoint(schema):
            kinds = schema.get("anyOf") or schema.get("oneOf")
            schema = self._chance.choice(kinds) if kinds else self._schemas[schema["$ref"].rsplit("/", 1)[1]]
        if isinstance(schema.get("type"), list):
            schema = {**schema, "type": self._chance.choice(schema["type"])}
        return schema

    def _scalar(self, kind: str | None, schema: dict[str, Any]) -> Any:
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        numbers = (least, least + 1, schema.get("maximum", 10))
        values = {"string": TEXTS, "integer": numbers, "number": numbers, "boolean": (True, False), "null": (None,)}
        return self._chance.choice(values.get(kind or "", VALUES))

    def spoil(self, document: Any) -> Any:
        """The same with something in it replaced, left out, or added."""
        if not isinstance(document, dict) or not document or self._chance.random() < 0.2:
            return self._junk()
        name = self._chance.choice(list(document))
        match self._chance.randrange(4):
            case 0:
                return {other: value for other, value in document.items() if other != name}
            case 1:
                return {**document, self._chance.choice(self._names): self._junk()}
            case _:
                return {**document, name: self.spoil(document[name])}

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required, share = schema.get("required", ()), 0.4 if depth < 2 else 0.1
        found = {
            name: self.make(one, depth + 1)
            for name, one in schema.get("properties", {}).items()
            if name in required or (depth < _DEEP and self._chance.random() < share)
        }
        others = schema.get("additionalProperties")
        if isinstance(others, dict) and depth < _DEEP:
            found["a"] = self.make(others, depth + 1)
        return found

    def _junk(self, depth: int = 0) -> Any:
        if depth > 3 or self._chance.random() < 0.3:
            return self._chance.choice(VALUES)
        if self._chance.random() < 0.2:
            return [self._junk(depth + 1) for _ in range(self._chance.randrange(3))]
        return {self._chance.choice(self._names): self._junk(depth + 1) for _ in range(self._chance.randrange(1, 5))}
