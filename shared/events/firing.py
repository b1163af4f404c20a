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
from shared.events.catalogue import JOBS_REQUESTED, NOTIFICATIONS, SCHEDULES_REQUESTED, topics
from shared.events.envelope import Event
from shared.events.jobs import JobRequested
from shared.events.schedules import ScheduleRequested
from shared.events.topic import ANYONE, Topic
from shared.ids import derived_id
from shared.specification.parse import MOST_PROBLEMS, first_problems, parse, pointer_to
from shared.specification.placeholders import read_job
from shared.specification.recurrence import next_time, time_problems
from shared.specification.schedule import Publish, Schedule
from shared.specification.templates import Place
from shared.specification.values import FARTHEST

_SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)
_PUBLISH: TypeAdapter[Publish] = TypeAdapter(Publish)
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
        raise Invalid([*error.problems, *_mistakes_of_target(document, asked_at)]) from None
    problems = time_problems(schedule, asked_at)
    try:
        if problems:
            target_of(schedule, _SAMPLE, asked_at, _SAMPLE)
        else:
            first_target(schedule, asked_at)
    except Invalid as error:
        problems += error.problems
    if schedule.publish is not None and schedule.on_failure.reschedule is not None:
        problems.append(Problem("/on_failure/reschedule", "expected none beside publish: no job runs that could fail"))
    if problems:
        raise Invalid(problems)
    return schedule


def _mistakes_of_target(document: Any, time: datetime) -> list[Problem]:
    """The mistakes of the job or event in a schedule that has other mistakes, too; none if it has no target."""
    found = document if isinstance(document, dict) else {}
    try:
        publish = parse(_PUBLISH, found.get("publish"))
    except Invalid:
        publish = None
    start = found.get("start")
    if not isinstance(start, dict) and publish is None:
        return []
    try:
        target_of(Schedule.model_construct(start=start, publish=publish), _SAMPLE, time, _SAMPLE)
    except Invalid as error:
        return list(error.problems)
    return []


def first_target(schedule: Schedule, asked_at: datetime) -> Target:
    """What a schedule that is asked for at `asked_at` will send at its first time, with sample ids.

    Raises:
        Invalid: as `target_of`.
    """
    return target_of(schedule, _SAMPLE, next_time(schedule, asked_at, asked_at) or asked_at, _SAMPLE)


def target_of(schedule: Schedule, schedule_id: UUID, time: datetime, run_id: UUID) -> Target:
    """What is sent for the firing that is planned for `time`. `run_id` is the job's id, or that of the event.

    Raises:
        Invalid: the target is not what its topic takes.
    """
    filler = _Filler(_values(schedule, schedule_id, time))
    if schedule.publish is not None:
        return _published(schedule.publish, filler, schedule_id, time, run_id)
    document = _started(schedule.start or {}, filler)
    return Target(
        JOBS_REQUESTED,
        str(run_id),
        JobRequested.model_validate({**document, "id": run_id}),
        derived_id("job.requested", run_id),
    )


def _started(start: dict[str, Any], filler: "_Filler") -> dict[str, Any]:
    """The job specification of one firing, which gives it its id; the correlation id is that of the schedule."""
    document: dict[str, Any] = filler.whole(start, ("start",))
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


def _published(publish: Publish, filler: "_Filler", schedule_id: UUID, time: datetime, run_id: UUID) -> Target:
    topic = _open_topic(publish.topic)
    key = filler.text(publish.key, ("publish", "key")) or str(schedule_id)
    document = filler.whole(publish.event, ("publish", "event"))
    if topic is None:
        filler.problems.append(Problem("/publish/topic", f"expected one of: {', '.join(_OPEN)}"))
    elif not filler.problems:
        try:
            event = parse(topic.adapter, document)
            _check_content(event, time)
            return Target(topic, key, event, run_id)
        except Invalid as error:
            filler.problems += [Problem(f"/publish/event{one.pointer}", one.detail) for one in error.problems]
    raise Invalid(first_problems(filler.problems))


def _check_content(event: Event, time: datetime) -> None:
    """Read the document in an event as its receiver will, when it is sent at `time`.

    Raises:
        Invalid: with one problem for each mistake, at its place in the event.
    """
    match event:
        case JobRequested():
            read_job(event.document)
        case ScheduleRequested(action="put", schedule=document):
            asked_at = min(max(event.asked_at or time, time - FARTHEST), time)
            try:
                _check_depth(document)
                read_schedule(document, asked_at)
            except Invalid as error:
                raise Invalid([Problem(f"/schedule{one.pointer}", one.detail) for one in error.problems]) from None
        case ScheduleRequested(schedule_id=None, schedule=None):
            raise Invalid([Problem("/schedule_id", "expected the id of a schedule")])


def _check_depth(document: Any) -> None:
    """A schedule that a schedule publishes publishes none itself: to read all of a hundred, each in the next, takes
    seconds."""
    publish = document.get("publish") if isinstance(document, dict) else None
    topic = publish.get("topic") if isinstance(publish, dict) else None
    if isinstance(topic, str) and _open_topic(topic) is SCHEDULES_REQUESTED:
        raise Invalid([Problem("/publish/topic", "expected another topic in a schedule that is published itself")])


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
