"""What becomes of a report, and which callbacks tell of it. Pure: the same seed, vendor, input and repetition give the
same report, whatever else arrives and in which order."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import orjson

from infra.simulator.faults import unit
from infra.simulator.reports.config import ReportsConfig, Signing
from infra.simulator.signatures import sign_plain, sign_standard

Ending = Literal["succeeded", "failed"]
_FORGER = "d2hhdCBhIGZvcmdlciBtaWdodCBndWVzcw=="
"""A forger's secret: good base64, so that it can stand for any scheme."""


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one report."""

    report_id: str
    manner: str
    """How it is called back: one of the settings' manners, or `on_time`."""
    work_seconds: float
    ending: Ending


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback that is to be sent. `kind` is `progress`, `forged`, or the report's manner; the truth counts by it."""

    id: str
    after_seconds: float
    """When it is sent, counted from the submit."""
    kind: str
    body: bytes
    forged: bool = False


def digest_of(given: dict[str, Any]) -> str:
    """What tells one input from another."""
    return blake2b(orjson.dumps(given, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def chart(config: ReportsConfig, *, seed: int, vendor: str, digest: str, repetition: int) -> Course:
    """The course of the report that is number `repetition` (from 0) of an input."""
    drawn = blake2b(f"{seed}\0{vendor}\0{digest}\0{repetition}".encode(), digest_size=32).digest()
    least, most = config.work_seconds
    manner = _manner(config, unit(drawn[:8]))
    return Course(
        report_id=f"r-{drawn[24:].hex()}",
        manner=manner,
        work_seconds=0.0 if manner == "early" else least + (most - least) * unit(drawn[8:16]),
        ending="failed" if unit(drawn[16:24]) < config.failed_share else "succeeded",
    )


def _manner(config: ReportsConfig, drawn: float) -> str:
    bound = 0.0
    for manner, share in config.manners:
        bound += share
        if drawn < bound:
            return manner
    return "on_time"


def plan_callbacks(config: ReportsConfig, course: Course) -> list[Callback]:
    """All callbacks of a report."""
    over = course.work_seconds + (config.late_seconds if course.manner == "late" else 0.0)
    final = _callback(course, 0, over, course.ending, kind=course.manner)
    match course.manner:
        case "never":
            return []
        case "early":
            return [final]
        case "twice":
            return [*_progress(config, course), final, final]
        case "out_of_order":
            behind = range(1, max(1, config.progress) + 1)
            return [final, *(_callback(course, number, over + 0.05 * number, "running") for number in behind)]
        case "forged":
            claim = "failed" if course.ending == "succeeded" else "succeeded"
            forged = _callback(course, -1, course.work_seconds / 2, claim, kind="forged", forged=True)
            true = _callback(course, 0, over, course.ending, kind="on_time")
            return [*_progress(config, course), forged, true]
        case _:
            return [*_progress(config, course), final]


def _progress(config: ReportsConfig, course: Course) -> list[Callback]:
    step = course.work_seconds / (config.progress + 1)
    return [_callback(course, number, step * number, "running") for number in range(1, config.progress + 1)]


def _callback(
    course: Course, number: int, after_seconds: float, status: str, *, kind: str = "progress", forged: bool = False
) -> Callback:
    event = f"{course.report_id}-{number}" if number >= 0 else f"{course.report_id}-x"
    body = orjson.dumps({"id": event, "status": status, "data": {"job_id": course.report_id}})
    return Callback(event, after_seconds, kind, body, forged)


def address(url: str, callback: Callback, sign: Signing | None) -> str:
    """Where a callback goes: a forger without a signature to forge has to guess the URL."""
    if not callback.forged or sign is not None:
        return url
    parts = urlsplit(url)
    path, _, last = parts.path.rpartition("/")
    return urlunsplit(parts._replace(path=f"{path}/{last[::-1] if last != last[::-1] else last + 'x'}"))


def seal(callback: Callback, sign: Signing | None, *, wall: float) -> dict[str, str]:
    """The headers of a callback that is sent at the epoch time `wall`; each attempt is signed anew."""
    headers = {"Content-Type": "application/json"}
    if sign is None:
        return headers
    secret = _FORGER if callback.forged else sign.secret
    match sign.scheme:
        case "standard-webhooks":
            return headers | sign_standard(secret, callback.id, int(wall), callback.body)
        case "hmac":
            return headers | {sign.header: sign.prefix + sign_plain(secret, callback.body)}
        case "token":
            return headers | {sign.header: sign.prefix + secret}
