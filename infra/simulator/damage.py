"""Answers that arrive otherwise than they were meant. Pure."""

import gzip
from collections.abc import Callable
from functools import lru_cache

from infra.simulator.config import Fault, VendorConfig
from infra.simulator.faults import Fate
from infra.simulator.wire import HTML, HTML_PAGE, JSON, Answer, Delivery, render

_BOMB_BYTES = 50 * 2**20
_CROWD = 300_000
_GZIP = b"Content-Encoding: gzip\r\n"


def spoiled(how: str, page: bytes, target: str) -> Answer:
    """What a vendor answers that misbehaves in that way, instead of a page."""
    match how:
        case "html":
            return Answer(200, HTML_PAGE, HTML)
        case "utf-16":
            return Answer(200, page.decode().encode("utf-16"), JSON + b"; charset=utf-16")
        case "latin-1":
            return Answer(200, page.replace(b"EUR", b"\xa3"), JSON + b"; charset=iso-8859-1")
        case "bomb":
            return Answer(200, _bomb(), headers=_GZIP)
        case "crowd":
            return Answer(200, _crowd(), headers=_GZIP)
        case "endless":
            return Answer(200, b" " * 2**16, endless=True)
        case "redirect":
            return Answer(302, headers=f"Location: {target}\r\n".encode())
        case _:
            return Answer(200, b"42")


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    return gzip.compress(bytes(_BOMB_BYTES).replace(b"\0", b" "))


@lru_cache(maxsize=1)
def _crowd() -> bytes:
    return gzip.compress(b"[" + b"{}," * (_CROWD - 1) + b"{}]")


def damages(fault: Fault | None, answer: Answer) -> bool:
    """Whether the fault keeps this answer from arriving as it is. Errors and refusals have nothing left to spoil."""
    return fault not in (None, Fault.DRIP, Fault.ERROR) and 200 <= answer.status < 300 and bool(answer.body)


def deliver(
    answer: Answer, fate: Fate, config: VendorConfig, *, wall: float, settle: Callable[[bool], None]
) -> Delivery:
    """An answer on its way, after its fate."""
    wait = fate.delay_seconds
    if fate.fault is Fault.DRIP:
        return Delivery(render(answer, wall), wait, config.drip_bytes_per_second, settle=settle)
    if not damages(fate.fault, answer):
        flood = b"%x\r\n%s\r\n" % (len(answer.body), answer.body) if answer.endless else b""
        return Delivery(render(answer, wall), wait, flood=flood, settle=settle)
    half = len(answer.body) // 2
    match fate.fault:
        case Fault.HANG:
            return Delivery(b"", wait + config.hang_seconds, close=True, settle=settle)
        case Fault.TRUNCATE:
            return Delivery(render(answer, wall)[: half - len(answer.body)], wait, close=True, settle=settle)
        case Fault.MALFORMED:
            answer = Answer(answer.status, answer.body[:half], headers=answer.headers)
        case Fault.HTML:
            answer = Answer(answer.status, HTML_PAGE, HTML, answer.headers)
        case _:
            answer = Answer(answer.status, headers=answer.headers)
    return Delivery(render(answer, wall), wait, settle=settle)
