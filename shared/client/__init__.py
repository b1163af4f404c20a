"""The typed client of Sluice's HTTP API, and the `sluice` command on top of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.api_models import (
        Attempt,
        DeadLetter,
        Firing,
        Job,
        JobEvent,
        JobReference,
        LettersAffected,
        Reply,
        ScheduleReference,
        ScheduleView,
        Task,
        WholeDeadLetter,
    )
    from shared.client.client import SluiceClient
    from shared.client.connection import ApiError

__all__ = [
    "ApiError",
    "Attempt",
    "DeadLetter",
    "Firing",
    "Job",
    "JobEvent",
    "JobReference",
    "LettersAffected",
    "Reply",
    "ScheduleReference",
    "ScheduleView",
    "SluiceClient",
    "Task",
    "WholeDeadLetter",
]

_HERE = {"ApiError": "shared.client.connection", "SluiceClient": "shared.client.client"}


def __getattr__(name: str) -> Any:
    """Import on first use: `sluice --help` needs no HTTP library."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(_HERE.get(name, "shared.api_models")), name)
