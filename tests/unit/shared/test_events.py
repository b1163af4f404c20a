"""Every event survives its own wire form, with its optional fields left out."""

from typing import Any

import pytest
from pydantic import BaseModel

from shared.events import configuration, dead_letters, envelope, jobs, payloads, records, schedules, tasks, timers

EVENTS = sorted(
    {
        found
        for module in (configuration, dead_letters, envelope, jobs, payloads, records, schedules, tasks, timers)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, BaseModel)
    },
    key=lambda found: found.__name__,
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_optional_fields_have_defaults_because_nulls_are_not_sent(event: type[BaseModel]) -> None:
    """Messages leave nulls out, so a field that may be null must have a default to come back from."""
    for name, field in event.model_fields.items():
        takes_null = "None" in str(field.annotation) and _accepts_null(event, name)
        assert not (takes_null and field.is_required()), f"{event.__name__}.{name}"


def _accepts_null(event: type[BaseModel], name: str) -> bool:
    schema: dict[str, Any] = event.model_json_schema()["properties"].get(name, {})
    return any(option.get("type") == "null" for option in schema.get("anyOf", []))
