"""Structured logs: one JSON object a line (coloured text on a terminal), ids as fields, no secrets.

The same words as the events: `job.accepted job_id=… trace_id=…`.
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_NAMES = re.compile(r"token|secret|password|authorization|api[-_]?key|credential", re.IGNORECASE)
_LONGEST_VALUE = 2000


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str) and len(value) > _LONGEST_VALUE and name != "exception":
            event[name] = f"{value[:_LONGEST_VALUE]}… ({len(value)} characters)"
    return event


def configure_logs(service: str, level: str) -> None:
    """Set up structlog, and the standard library's loggers beneath it, for this process."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    on_terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger
