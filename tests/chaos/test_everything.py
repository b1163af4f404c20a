"""All designs at once, two of each service, and kills at random: what was acknowledged comes to its end, once.

The moments follow from a seed, counted in calls that the vendor has had.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import stack as embedded
from shared.events.jobs import JobState
from tests.support.cluster import Cluster, cluster
from tests.support.contracts import Contract
from tests.support.eventually import eventually
from tests.support.stack import ROOT, Place

pytestmark = [pytest.mark.chaos]

TWICE = ("planner", "fetcher", "processor", "scheduler")
"""The gateway is one: its second would need another address, and a balancer in front of both."""
VICTIMS = (*TWICE, *(f"{name}-2" for name in TWICE), "callback-gateway")
STRIKES, CALLS_BETWEEN = 14, 8
CONTRACT = Contract(per_second=50, calls=160, seconds=4, in_flight=12)
"""So slow that the work lasts longer than the strikes."""
RECORDS, REQUESTS, WEBHOOKS, SCHEDULES = 6000, 40, 40, 20
REPORTS, PAGES, ROWS = 60, 2, 4
DEADLINE_SECONDS, MOST_SECONDS = 240, 100
"""A vendor's job has far longer than a crowded machine takes: only a submit that never left may come to its deadline.
That is waited for, too: `eventually` gives three times as long as it is told."""
POLL = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 20, "total": "body.meta.total"},
    "records": {"key": "id"},
}
INVOKE = {
    "submit": {"method": "POST", "path": "/reports", "json": {"n": "{input.n}", "callback_url": "{callback.url}"}},
    "vendor_job": "body.id",
    "deadline": f"{DEADLINE_SECONDS}s",
    "results": {
        "request": {"path": "/reports/{vendor_job}/rows", "query": {"limit": ROWS // PAGES}},
        "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    },
    "records": {"select": "body.rows[]", "key": "id"},
}
CALLBACKS = {"vendor_job": "body.data.job_id", "outcome": {"done": "body.status == 'succeeded'"}}
Jobs = dict[str, list[str]]


async def test_every_job_ends_once_while_processes_and_servers_are_killed(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        for name in TWICE:
            running.start_service(name, instance=f"{name}-2")
        await running.wait_ready(*(f"{name}-2" for name in TWICE))
        await configure(running)
        striking = asyncio.create_task(strike(running))
        jobs = await ask(running)
        await striking
        ended = {kind: [await running.ended(job, MOST_SECONDS) for job in found] for kind, found in jobs.items()}
        [invoke], [poll] = ended.pop("invokes"), ended["polls"]
        for kind, found in ended.items():
            assert Counter(job["status"] for job in found) == {"completed": len(found)}, kind
        assert (poll["records"], poll["distinct"]) == (RECORDS, RECORDS)
        assert {int(row["key"]) for row in await running.records("polled")} == set(range(1, RECORDS + 1))
        await check_vendor_jobs(running, invoke)
        assert len(set(jobs["webhooks"])) == WEBHOOKS
        assert len(set(jobs["schedules"])) == SCHEDULES
        everything = {job for found in jobs.values() for job in found}
        assert {job["id"] for job in await all_jobs(running)} == everything
        assert await running.dead_letters() == []
        await CONTRACT.assert_kept(running, "acme")
        await eventually(lambda: all(-signal.SIGKILL in running.processes.exit_codes(name) for name in VICTIMS))


async def check_vendor_jobs(running: Cluster, job: dict[str, Any]) -> None:
    """None was submitted twice: rows follow from the input. One that a fetcher was about to send when it died may never
    have left, and nobody can know: it ends with its deadline."""
    submits = (await running.truth("acme"))["reports"]["submits"]
    assert REPORTS - 3 <= submits <= REPORTS
    ends = Counter({"completed": submits * (1 + PAGES), "expired": REPORTS - submits})
    assert Counter(job["counts"]) == ends, str(job)
    assert job["distinct"] == len(await running.records("reported")) == submits * ROWS, str(job)


async def configure(running: Cluster) -> None:
    """A vendor with errors and slow answers; a source for hooks and schedules."""
    reports: dict[str, Any] = {"rows": ROWS, "work_seconds": [0.5, 15.0], "early_share": 0.1, "twice_share": 0.1}
    reports |= {"attempts": 100, "retry_seconds_max": 3.0}
    errs = {"error_share": 0.05, "delay_seconds": [0.02, 0.1]}
    await running.configure_simulator("acme", records=RECORDS, reports=reports, **errs, **CONTRACT.limits)
    retry = {"attempts": 12, "backoff": {"base": "50ms", "cap": "500ms"}}
    await running.apply_vendor("acme", retry=retry, budget=CONTRACT.budget, callbacks=CALLBACKS)
    poll = {"request": {"path": "/items", "query": {"limit": 5}}, "pages": {"style": "none"}, "records": {"key": "id"}}
    for place, document in (
        ("sources/some", {"vendor": "acme", "poll": poll}),
        ("hooks/acme", {"hook": "acme", "id": 'headers."x-id"', "start": {"source": "some"}}),
    ):
        answer = await running.http.put(f"{running.gateway}/{place}", json=document)
        assert answer.status_code == 201, answer.text


async def ask(running: Cluster) -> Jobs:
    """Everything that can be asked for, a little at a time, again until it is acknowledged; gives the jobs."""
    poll = {"vendor": "acme", "poll": POLL, "sinks": [{"type": "postgres", "table": "polled"}]}
    invoke = {"vendor": "acme", "invoke": INVOKE, "input": [{"n": number} for number in range(REPORTS)]}
    invoke["sinks"] = [{"type": "postgres", "table": "reported"}]
    request = {"vendor": "acme", "request": {"path": "/items", "query": {"limit": 1}}}
    start = {"start": {"source": "some"}, "past": "run"}
    jobs: Jobs = {
        "polls": [await post(running, "jobs", poll, key="poll")],
        "invokes": [await post(running, "jobs", invoke, key="invoke")],
        "requests": [],
        "webhooks": [],
        "schedules": [],
    }
    for number in range(REQUESTS):
        jobs["requests"].append(await post(running, "jobs", request, key=f"request-{number}"))
        for _ in range(2):
            webhook = await post(running, "in/acme", {"n": number}, key=f"webhook-{number}")
        jobs["webhooks"].append(webhook)
        if number % 2:
            at = datetime.now(UTC) + timedelta(seconds=2)
            schedule = {**start, "triggerAt": at.isoformat()}
            jobs["schedules"].append(await post(running, "schedules", schedule, key=f"schedule-{number}"))
        await more_calls(running, CALLS_BETWEEN)
    return jobs


async def post(running: Cluster, path: str, document: dict[str, Any], *, key: str) -> str:
    """As a careful client does: the same key until there is an answer."""

    async def accepted() -> str:
        headers = {"Idempotency-Key": key, "x-id": key}
        answer = await running.http.post(f"{running.gateway}/{path}", json=document, headers=headers)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["id"])

    return await eventually(accepted, 60)


async def strike(running: Cluster) -> None:
    """Kill each process once, then some again, some calls apart; the broker and Postgres once each, in between."""
    chance = random.Random(20261121)
    victims = iter([*chance.sample(VICTIMS, len(VICTIMS)), *chance.choices(VICTIMS, k=STRIKES - 2 - len(VICTIMS))])
    for number in range(STRIKES):
        await more_calls(running, chance.randint(10, 40))
        if number == STRIKES // 3:
            await asyncio.to_thread(revive, embedded.kill_kafka, embedded.start_kafka)
        elif number == 2 * STRIKES // 3:
            await asyncio.to_thread(revive, embedded.kill_postgres, embedded.start_postgres)
        else:
            victim = next(victims)
            await eventually(partial(running.processes.alive, victim))
            running.kill(victim)


async def more_calls(running: Cluster, number: int) -> None:
    """Until the vendor has had so many more, or there is nothing left to ask it for."""
    seen = (await running.truth("acme"))["requests"]
    enough = seen + number

    async def had() -> bool:
        nonlocal seen
        before, seen = seen, (await running.truth("acme"))["requests"]
        return seen >= enough or (before == seen > 0 and not await any_open(running))

    await eventually(had, 60)


async def any_open(running: Cluster) -> bool:
    """Whether some job is not over yet."""
    for state in (state for state in JobState if not state.is_end):
        answer = await running.http.get(f"{running.gateway}/jobs", params={"status": state.value, "limit": 1})
        if answer.json()["jobs"]:
            return True
    return False


def revive(kill: Callable[..., None], start: Callable[[Path], None]) -> None:
    """Down, and up again."""
    kill(ROOT, signal.SIGKILL)
    start(ROOT)


async def all_jobs(running: Cluster) -> list[dict[str, Any]]:
    """Every job that there ever was."""
    answer = await running.http.get(f"{running.gateway}/jobs", params={"limit": 1000})
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found
