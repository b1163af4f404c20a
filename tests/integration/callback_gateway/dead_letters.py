"""Dead letters, as if they had come from their topics, and what the gateway shows of them."""

from typing import Any
from uuid import UUID

import httpx
import orjson

from services.callback_gateway.views.handler import view_dead_letters
from shared.database.pool import Database
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import Position, Record
from shared.ids import new_id
from tests.integration.callback_gateway.job_events import BEGAN, incoming


def letter_of(prefix: str = "sluice", *headers: tuple[str, bytes], **more: Any) -> DeadLetter:
    """The letter of a request for a job, but for what is given."""
    value = more.pop("value", b'{"url": "https://a.example"}')
    record = Record(Position(f"{prefix}.{more.pop('topic', 'jobs.requested')}", 0, 0), b"k", value, headers, BEGAN)
    told = {"service": "planner", "group": f"{prefix}.planner.accept", "reason": "bug", "delivery": 4, "at": BEGAN}
    return DeadLetter(event_id=new_id(), original=Original.of(record), **{**told, **more})


def letter_of_task(job_id: UUID, task_id: UUID, *, round: int = 0, **more: Any) -> DeadLetter:
    """The letter of a call."""
    call = {"type": "fetch.requested", "task_id": str(task_id), "job_id": str(job_id), "number": 0, "vendor": "v"}
    value = orjson.dumps({**call, "call": {}, "processing": {"source": "s"}, "round": round})
    return letter_of(service="fetcher", job_id=job_id, task_id=task_id, value=value, **more)


async def keep(database: Database, *letters: DeadLetter) -> list[str]:
    """As if they had come from their topics; gives their ids."""
    batch = [incoming(letter) for letter in letters]
    async with database.transaction() as tx:
        await view_dead_letters(tx, batch)
    return [str(one.id) for one in batch]


async def listed(http: httpx.AsyncClient, **query: Any) -> list[str]:
    """The ids of the letters that this query finds, the latest first."""
    answer = await http.get("/dead-letters", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["dead_letters"]]
