"""Every topic, declared once. Topic creation, consumers, docs and tests read this list."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal, get_args

from shared.events.callbacks import CallbackExpected, CallbackReceived, TaskDue
from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured
from shared.events.dead_letters import DeadLetter, RetryRequested
from shared.events.envelope import Removed
from shared.events.jobs import JobControl, JobEvent, JobRequested
from shared.events.payloads import PayloadStored
from shared.events.records import RecordReceived
from shared.events.schedules import ScheduleChanged, ScheduleRequested
from shared.events.tasks import FetchRequested, TaskChanged
from shared.events.timers import TimerRequested
from shared.events.topic import ANYONE, Topic
from shared.events.webhooks import Notification, WebhookReceived

Service = Literal["planner", "fetcher", "processor", "callback-gateway", "scheduler"]
SERVICES: tuple[Service, ...] = get_args(Service)
MONTH = timedelta(days=30)
MAX_ENCODED_BYTES = 2 * 1024**2
"""A callback or webhook of up to the limit is carried in base64, with its headers; its dead letter carries that in
base64 once more."""
MAX_ENVELOPED_BYTES = 3 * 1024**2
"""Retry and dead-letter messages carry an original of up to the limit, in base64."""

GATEWAY = ("callback-gateway",)
PLANNER = ("planner",)
FETCHER = ("fetcher",)
PROCESSOR = ("processor",)
SCHEDULER = ("scheduler",)

JOBS_REQUESTED: Topic[JobRequested] = Topic(
    "jobs.requested", "job", JobRequested, ANYONE, PLANNER, "a job specification", public=True
)
JOBS_CONTROL: Topic[JobControl] = Topic(
    "jobs.control", "job", JobControl, ANYONE, PLANNER, "cancel, pause, resume, redrive", public=True, busy=False
)
JOBS_EVENTS: Topic[JobEvent] = Topic(
    "jobs.events",
    "job",
    JobEvent,
    PLANNER,
    (*GATEWAY, *FETCHER, *SCHEDULER),
    "accepted, rejected, planned, progressed, the end",
    public=True,
)
FETCH_REQUESTED: Topic[FetchRequested] = Topic(
    "fetch.requested", "task", FetchRequested, PLANNER, FETCHER, "one call to make"
)
TASKS_EVENTS: Topic[TaskChanged] = Topic(
    "tasks.events",
    "job",
    TaskChanged,
    (*PLANNER, *FETCHER, *PROCESSOR, *GATEWAY),
    (*PLANNER, *GATEWAY),
    "each change of a task's state",
    public=True,
)
PAYLOADS_STORED: Topic[PayloadStored] = Topic(
    "payloads.stored", "task", PayloadStored, FETCHER, PROCESSOR, "a pointer to a payload and what to do with it"
)
TASKS_DUE: Topic[TaskDue] = Topic(
    "tasks.due", "job", TaskDue, SCHEDULER, PLANNER, "deadlines, heartbeats and status polls of waiting tasks"
)
CALLBACKS_EXPECTED: Topic[CallbackExpected] = Topic(
    "callbacks.expected", "task", CallbackExpected, PLANNER, GATEWAY, "tasks that wait for a callback"
)
CALLBACKS_RECEIVED: Topic[CallbackReceived] = Topic(
    "callbacks.received",
    "correlation",
    CallbackReceived,
    GATEWAY,
    GATEWAY,
    "verified callbacks, as they came",
    max_message_bytes=MAX_ENCODED_BYTES,
)
WEBHOOKS_RECEIVED: Topic[WebhookReceived] = Topic(
    "webhooks.received",
    "hook",
    WebhookReceived,
    GATEWAY,
    (*PLANNER, *ANYONE),
    "verified webhooks, as they came",
    public=True,
    max_message_bytes=MAX_ENCODED_BYTES,
)
SCHEDULES_REQUESTED: Topic[ScheduleRequested] = Topic(
    "schedules.requested",
    "schedule",
    ScheduleRequested,
    ANYONE,
    SCHEDULER,
    "create, change, pause, resume, trigger, delete",
    public=True,
    busy=False,
)
SCHEDULES_EVENTS: Topic[ScheduleChanged] = Topic(
    "schedules.events",
    "schedule",
    ScheduleChanged,
    SCHEDULER,
    GATEWAY,
    "created, changed, paused, resumed, fired, rescheduled, succeeded, failed, missed, skipped, removed, rejected",
    public=True,
    busy=False,
)
NOTIFICATIONS: Topic[Notification] = Topic(
    "notifications",
    "subject",
    Notification,
    (*PLANNER, *SCHEDULER),
    PLANNER,
    "what a person or program should hear of",
    public=True,
    busy=False,
)
TIMERS_REQUESTED: Topic[TimerRequested] = Topic(
    "timers.requested", "timer", TimerRequested, PLANNER, SCHEDULER, "send this message at that time; cancel"
)
VENDORS: Topic[VendorConfigured | Removed] = Topic(
    "vendors",
    "vendor",
    VendorConfigured,
    GATEWAY,
    (*PLANNER, *FETCHER, *GATEWAY),
    "vendors as they are now",
    public=True,
    busy=False,
    cleanup="compact",
    named=lambda event: event.vendor.vendor,
)
SOURCES: Topic[SourceConfigured | Removed] = Topic(
    "sources",
    "source",
    SourceConfigured,
    GATEWAY,
    (*PLANNER, *GATEWAY),
    "sources as they are now",
    public=True,
    busy=False,
    cleanup="compact",
    named=lambda event: event.source.source,
)
HOOKS: Topic[HookConfigured | Removed] = Topic(
    "hooks",
    "hook",
    HookConfigured,
    GATEWAY,
    (*PLANNER, *GATEWAY),
    "hooks as they are now",
    public=True,
    busy=False,
    cleanup="compact",
    named=lambda event: event.hook.hook,
)
RETRIES: dict[str, Topic[RetryRequested]] = {
    service: Topic(
        f"{service}.retry",
        "original",
        RetryRequested,
        (service,),
        SCHEDULER,
        "originals to send again later",
        busy=False,
        max_message_bytes=MAX_ENVELOPED_BYTES,
    )
    for service in SERVICES
}
DEAD: dict[str, Topic[DeadLetter]] = {
    service: Topic(
        f"{service}.dead",
        "original",
        DeadLetter,
        (service,),
        GATEWAY,
        "originals that could not be handled, with reason and history",
        public=True,
        busy=False,
        retention=MONTH,
        max_message_bytes=MAX_ENVELOPED_BYTES,
    )
    for service in SERVICES
}


_RECORDS = "records."


def is_records_topic(name: str) -> bool:
    """Whether a user named this topic: it may be deleted or forbidden while all others work."""
    return name.startswith(_RECORDS)


def records_topic(source: str) -> Topic[RecordReceived]:
    """The topic of one source's records; it exists once the source is applied with a topic sink."""
    return Topic(f"{_RECORDS}{source}", "record", RecordReceived, PROCESSOR, ANYONE, "records of a source", public=True)


_DECLARED: tuple[Topic[Any], ...] = tuple(one for one in globals().values() if isinstance(one, Topic))
"""Each that has a name above."""


def topics() -> Iterator[Topic[Any]]:
    """Every topic that exists in every installation."""
    yield from _DECLARED
    yield from RETRIES.values()
    yield from DEAD.values()
