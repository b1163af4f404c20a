"""Structured logs: one JSON object a line (coloured text on a terminal), ids as fields, no secrets.

The same words as the events: `job.accepted job_id=… trace_id=…`.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_NAMES = re.compile(r"token|secret|password|authorization|api[-_]?key|credential", re.IGNORECASE)
_LONGEST_VALUE = 2000
_QUIET_SECONDS = 10.0
_MOST_KINDS = 1000
_RETRYING = ("aiokafka",)
"""Libraries that log as an error what they will try again; what they give up reaches us as an exception."""


class Thinning(logging.Filter):
    """Of what a library says over and over, one line in ten seconds, with `repeats`: how many were left out before it.

    A broker that is away is news once, not five hundred times a second.
    """

    def __init__(self, quiet_seconds: float = _QUIET_SECONDS) -> None:
        super().__init__()
        self._quiet_seconds = quiet_seconds
        self._last_at: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.name.split(".")[0] in _RETRYING and record.levelno == logging.ERROR:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        kind = record.name, str(record.msg)
        now = monotonic()
        if now - self._last_at.get(kind, now - self._quiet_seconds) < self._quiet_seconds:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        if len(self._last_at) >= _MOST_KINDS:
            self._last_at.clear()
            self._left_out.clear()
        self._last_at[kind] = now
        record.repeats = self._left_out.pop(kind, 0)
        return True


def _add_repeats(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    repeats = getattr(event.get("_record"), "repeats", 0)
    return {**event, "repeats": repeats} if repeats else event


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAMES.search(name) is not None


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if _is_secret(name):
            event[name] = "[redacted]"
        elif isinstance(value, str) and len(value) > _LONGEST_VALUE and name != "exception":
            event[name] = f"{value[:_LONGEST_VALUE]}… ({len(value)} characters)"
    return event


def _to_json(event: EventDict, default: Callable[[Any], Any]) -> str:
    """The fast way for what it can write: neither large numbers nor broken text."""
    try:
        return orjson.dumps(event, default, orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(event, default=default)


def configure_logs(service: str, level: str) -> None:
    """Set up structlog, and the standard library's loggers beneath it, for this process."""
    number = logging.getLevelNamesMapping()[level]
    on_terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    last: list[Any] = (
        # Its own tracebacks would show what each function holds, passwords too.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Thinning())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _add_repeats],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


class OfTask(Protocol):
    """What names a task: an event about it, say."""

    @property
    def job_id(self) -> UUID:
        """Its job."""

    @property
    def task_id(self) -> UUID:
        """The task."""

    @property
    def correlation_id(self) -> UUID | None:
        """The one that its job was asked for with."""


def ids(**given: UUID | None) -> dict[str, str]:
    """The ids of a log line, as text; those that are not there are left out."""
    return {name: str(value) for name, value in given.items() if value is not None}


def task_ids(task: OfTask) -> dict[str, str]:
    """The ids of a log line about a task."""
    return ids(job_id=task.job_id, task_id=task.task_id, correlation_id=task.correlation_id)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
