"""Answers that arrive otherwise than they were meant. Pure."""

from collections.abc import Callable

from infra.simulator.config import Fault, VendorConfig
from infra.simulator.faults import Fate
from infra.simulator.wire import HTML, HTML_PAGE, Answer, Delivery, render


def damages(fault: Fault | None, answer: Answer) -> bool:
    """Whether the fault keeps this answer from arriving as it is. Refusals have nothing left to spoil."""
    return fault not in (None, Fault.DRIP) and 200 <= answer.status < 300 and bool(answer.body)


def deliver(
    answer: Answer, fate: Fate, config: VendorConfig, *, wall: float, settle: Callable[[bool], None]
) -> Delivery:
    """An answer on its way, after its fate."""
    wait = fate.delay_seconds
    if fate.fault is Fault.DRIP:
        return Delivery(render(answer, wall), wait, config.drip_bytes_per_second, settle=settle)
    if not damages(fate.fault, answer):
        return Delivery(render(answer, wall), wait, settle=settle)
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
