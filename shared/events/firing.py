"""What a schedule sends when it fires: its target, with the placeholders filled. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from shared.errors import Invalid, Problem
from shared.events.catalogue import JOBS_REQUESTED, NOTIFICATIONS, topics
from shared.events.envelope import Event
from shared.events.jobs import JobRequested
from shared.events.topic import ANYONE, Topic
from shared.ids import derived_id
from shared.specification.parse import MOST_PROBLEMS, first_problems, parse, pointer_to
from shared.specification.placeholders import read_job
from shared.specification.recurrence import time_problems
from shared.specification.schedule import Publish, Schedule
from shared.specification.templates import Place

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_OPEN = {
    topic.name: topic
    for topic in (*(found for found in topics() if found.public and found.producers == ANYONE), NOTIFICATIONS)
}
"""What schedules may publish to. All other topics say what a service did, which a schedule could only forge."""
_PREFIX = re.compile(r"[a-z0-9-]{1,32}\.")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(schedule(?:\.[^{}]*)?)\}")
_FREE = {"json", "query", "headers", "parameters", "event", "input"}
"""Parts of a job specification whose names are the user's own."""
_SAMPLE = UUID(int=1)


@dataclass(frozen=True, slots=True)
class Target:
    """An event ready to be sent. `id` is the event's own, the same however often the firing is repeated."""

    topic: Topic[Any]
    key: str
    event: Event
    id: UUID


def read_schedule(document: Any, asked_at: datetime) -> Schedule:
    """A schedule, with everything checked that can be known without asking anyone.

    Raises:
        Invalid: with one problem for each mistake.
    """
    try:
        schedule = parse(_SCHEDULE, document)
    except Invalid as error:
        raise Invalid([*error.problems, *_mistakes_of_start(document, asked_at)]) from None
    problems = time_problems(schedule, asked_at)
    try:
        target_of(schedule, _SAMPLE, asked_at, _SAMPLE)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(problems)
    return schedule


def _mistakes_of_start(document: Any, time: datetime) -> list[Problem]:
    """The mistakes of the job in a schedule that has other mistakes, too; none if it has no job."""
    start = document.get("start") if isinstance(document, dict) else None
    if not isinstance(start, dict):
        return []
    try:
        filled_start(Schedule.model_construct(start=start), _SAMPLE, time)
    except Invalid as error:
        return list(error.problems)
    return []


def target_of(schedule: Schedule, schedule_id: UUID, time: datetime, run_id: UUID) -> Target:
    """What is sent for the firing that is planned for `time`. `run_id` is the job's id, or that of the event.

    Raises:
        Invalid: the target is not what its topic takes.
    """
    filler = _Filler(_values(schedule, schedule_id, time))
    if schedule.publish is not None:
        return _published(schedule.publish, filler, schedule_id, run_id)
    document = filled_start(schedule, schedule_id, time, filler)
    return Target(
        JOBS_REQUESTED,
        str(run_id),
        JobRequested.model_validate({**document, "id": run_id}),
        derived_id("job.requested", run_id),
    )


def filled_start(
    schedule: Schedule, schedule_id: UUID, time: datetime, filler: "_Filler | None" = None
) -> dict[str, Any]:
    """The job specification of one firing.

    Raises:
        Invalid: it is none, or brings an id or a correlation id, which each firing has from its schedule.
    """
    filler = filler or _Filler(_values(schedule, schedule_id, time))
    document: dict[str, Any] = filler.whole(schedule.start or {}, ("start",))
    if "id" in document:
        filler.problems.append(Problem("/start/id", "expected none: each firing is a job of its own"))
    if "correlation_id" in document:
        filler.problems.append(Problem("/start/correlation_id", "expected none: it is the schedule's id"))
    try:
        read_job(document)
    except Invalid as error:
        filler.problems += [Problem(f"/start{one.pointer}", one.detail) for one in error.problems]
    if filler.problems:
        raise Invalid(first_problems(filler.problems))
    return document


def _published(publish: Publish, filler: "_Filler", schedule_id: UUID, run_id: UUID) -> Target:
    topic = _open_topic(publish.topic)
    key = filler.text(publish.key, ("publish", "key")) or str(schedule_id)
    document = filler.whole(publish.event, ("publish", "event"))
    if topic is None:
        filler.problems.append(Problem("/publish/topic", f"expected one of: {', '.join(_OPEN)}"))
    elif not filler.problems:
        try:
            return Target(topic, key, parse(topic.adapter, document), run_id)
        except Invalid as error:
            filler.problems += [Problem(f"/publish/event{one.pointer}", one.detail) for one in error.problems]
    raise Invalid(first_problems(filler.problems))


def _open_topic(name: str) -> Topic[Any] | None:
    """The topic of a name, with or without the prefix that the broker knows it by: it is always this installation's."""
    prefix = _PREFIX.match(name)
    return _OPEN.get(name) or (_OPEN.get(name[prefix.end() :]) if prefix else None)


def _values(schedule: Schedule, schedule_id: UUID, time: datetime) -> dict[str, str]:
    local = time.astimezone(UTC if schedule.zone == "UTC" else ZoneInfo(schedule.zone))
    return {
        "schedule.time": local.isoformat(),
        "schedule.date": local.date().isoformat(),
        "schedule.id": str(schedule_id),
        "schedule.name": schedule.schedule or str(schedule_id),
    }


def _is_in_url(place: Place) -> bool:
    """Whether a job specification has a URL or a path there. What people call so in JSON of their own is none."""
    *around, name = place[1:] if place[0] == "start" else place[2:]
    return name in ("url", "path", "deliver") and _FREE.isdisjoint(around)


class _Filler:
    """Fills the placeholders of schedules; those of jobs, and doubled braces, are left for the planner."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._values = values

    def text(self, template: str, place: Place, encode: Callable[[str], str] = str) -> str:
        """A text with every placeholder of schedules filled."""

        def one(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0]
            if match[1] not in self._values and len(self.problems) < MOST_PROBLEMS:
                known = ", ".join(f"{{{name}}}" for name in self._values)
                detail = f"unknown placeholder {{{match[1]}}}; known here: {known}"
                self.problems.append(Problem(pointer_to(place), detail))
            return encode(self._values.get(match[1], ""))

        return _PLACEHOLDER.sub(one, template)

    def whole(self, value: Any, place: Place) -> Any:
        """Any JSON value; in URLs and paths what is filled in is percent-encoded."""
        match value:
            case str():
                return self.text(value, place, partial(quote, safe="") if _is_in_url(place) else str)
            case dict():
                return {name: self.whole(inner, (*place, name)) for name, inner in value.items()}
            case list():
                return [self.whole(inner, (*place, index)) for index, inner in enumerate(value)]
            case _:
                return value
