"""Schedules."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.api_models import ScheduleReference, ScheduleView
from shared.client.connection import Connection, Id

ScheduleAction = Literal["pause", "resume", "trigger"]


class Schedules(Connection):
    """What starts by the clock."""

    async def schedule(self, document: Mapping[str, Any], *, idempotency_key: str | None = None) -> ScheduleReference:
        """Schedule something; a document with a known name replaces the schedule of that name.

        Raises:
            ApiError: with every mistake of the document.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._read(ScheduleReference, await self._call("POST", "/schedules", json=document, headers=headers))

    async def find_schedule(self, schedule: Id) -> ScheduleView:
        """A schedule by its id or name, with its next times and the verdicts of its firings."""
        return self._read(ScheduleView, await self._call("GET", f"/schedules/{schedule}"))

    async def schedules(self, *, status: str | None = None, limit: int = 50) -> list[ScheduleView]:
        """The newest schedules; without a status all but those that are removed."""
        return await self._list(ScheduleView, "/schedules", "schedules", status=status, limit=limit)

    async def control_schedule(self, schedule: Id, action: ScheduleAction) -> ScheduleReference:
        """Pause, resume or trigger a schedule. The scheduler does it soon after."""
        return self._read(ScheduleReference, await self._call("POST", f"/schedules/{schedule}/{action}"))

    async def remove_schedule(self, schedule: Id) -> ScheduleReference:
        """Remove a schedule; what it has started goes on."""
        return self._read(ScheduleReference, await self._call("DELETE", f"/schedules/{schedule}"))
