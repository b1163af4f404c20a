"""JSON Schemas of what users write, for editors: printed from the models that documents are read into."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from shared.specification.hook import Hook
from shared.specification.job import JobSpecification
from shared.specification.schedule import Schedule
from shared.specification.source import Source
from shared.specification.vendor import Vendor

MODELS: dict[str, Any] = {
    "vendor": Vendor,
    "source": Source,
    "job": JobSpecification,
    "hook": Hook,
    "schedule": Schedule,
}
"""What users write, by kind."""


def schema_of(kind: str | None) -> dict[str, Any]:
    """The schema of one kind of document; without a kind, of any that may stand in a file. It knows names and
    shapes; `sluice check` finds what only the whole document shows, such as an unknown placeholder."""
    found = [model for name, model in MODELS.items() if kind in (name, None)]
    title = f"Sluice: {kind or 'any document'}"
    if len(found) == 1:
        schema = TypeAdapter(found[0]).json_schema()
        return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": title}
    schemas, shared = TypeAdapter.json_schemas([(name, "validation", TypeAdapter(MODELS[name])) for name in MODELS])
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": title,
        "anyOf": [schemas[name, "validation"] for name in MODELS],
        **shared,
    }
