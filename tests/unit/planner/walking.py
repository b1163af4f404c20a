"""A job's pages, planned and answered until nothing follows."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from services.planner.model import PlannedCall, Resolved
from services.planner.paging.follow import first_step, next_step
from services.planner.paging.step import Step
from shared.events.tasks import Facts
from shared.specification.request import Pages, Request
from shared.specification.source import Poll

PAGES: TypeAdapter[Any] = TypeAdapter(Pages)
Answer = Callable[[PlannedCall], Facts]


def resolved(**pages: Any) -> Resolved:
    poll = Poll(request=Request(path="/items"), pages=PAGES.validate_python(pages))
    return Resolved(vendor="acme", source="items", poll=poll)


def walk(job: Resolved, answer: Answer, most: int = 500) -> tuple[list[PlannedCall], list[Step]]:
    """Plan, answer, plan again, as the planner does: only calls that want facts lead on."""
    step = first_step(job)
    made: list[PlannedCall] = []
    steps, waiting = [step], list(step.calls)
    over = step.all_planned
    while waiting and len(made) < most:
        call = waiting.pop(0)
        made.append(call)
        if call.wanted is None or over:
            continue
        step = next_step(job, call, answer(call), len(made) + len(waiting))
        job = job.model_copy(update={"pages": step.pages}) if step.pages else job
        steps.append(step)
        over = over or step.all_planned
        waiting += step.calls
    return made, steps
