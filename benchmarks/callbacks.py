"""Vendor jobs that are called back in random order, some early, some twice, while the gateway is killed in between:
whether each task is completed exactly once, and how long a callback takes to its task."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from benchmarks.bench import Bench, Rows
from benchmarks.percentile import percentile
from benchmarks.system import INVOKE, System, system
from infra.local import stack
from infra.simulator.config import SimulatorConfig
from infra.simulator.reports.config import ReportsConfig
from infra.simulator.reports.plan import chart, digest_of
from shared.events.callbacks import CallbackReceived
from shared.events.catalogue import CALLBACKS_RECEIVED, TASKS_EVENTS
from shared.events.envelope import CE_ID
from shared.events.tasks import TaskState
from shared.ids import derived_id

CALLBACKS = 10_000
VENDOR = "callers"
WORK_SECONDS = (1.0, 60.0)
EARLY = TWICE = 0.05
KILL_AFTER = 0.4
"""The share of the callbacks after which the gateway is killed."""
PATIENCE_SECONDS = 600.0
OUTCOME = {"done": "body.status == 'succeeded'", "failed": "body.status == 'failed'"}


@dataclass
class Heard:
    """What two topics say of one job. Times are in milliseconds since 1970; a message that came twice counts once."""

    received: dict[str, float] = field(default_factory=dict)
    """When each callback came, by the id of the task event that it may lead to."""
    reported: dict[str, float] = field(default_factory=dict)
    """When the broker had each task event, by its id."""
    completed: dict[str, str] = field(default_factory=dict)
    """The tasks that were completed, by the id of the event."""

    def take(self, record: ConsumerRecord, job_id: str) -> None:
        """Note a message."""
        value, headers = orjson.loads(record.value), dict(record.headers)
        if record.topic.endswith(CALLBACKS_RECEIVED.name):
            callback = CallbackReceived.model_validate(value)
            event = str(derived_id("reported", callback.callback_id, callback.task_id, callback.round))
            self.received[event] = callback.received_at.timestamp() * 1000
        elif value.get("job_id") == job_id:
            event = headers[CE_ID].decode()
            self.reported.setdefault(event, record.timestamp)
            if value.get("state") == TaskState.COMPLETED:
                self.completed[event] = value["task_id"]

    def milliseconds(self) -> list[float]:
        """How long each callback that counted took to its task event."""
        return [self.reported[event] - at for event, at in self.received.items() if event in self.reported]


async def measure(bench: Bench) -> Rows:
    """10,000 callbacks spread over a minute, one kill of the gateway, the vendor's own count beside ours."""
    count = 1_000 if bench.quick else CALLBACKS
    async with system(bench) as measured:
        reports = ReportsConfig(work_seconds=WORK_SECONDS, early_share=EARLY, twice_share=TWICE, attempts=20)
        callbacks = {"vendor_job": "body.data.job_id", "outcome": OUTCOME}
        await measured.play(VENDOR, {"reports": reports.model_dump()}, budget={"in_flight": 64}, callbacks=callbacks)
        document = {"vendor": VENDOR, "invoke": INVOKE, "input": choose_inputs(reports, count)}
        job_id = str((await measured.client.submit(document)).id)
        heard = Heard()
        listening = asyncio.create_task(_listen(bench, job_id, heard))
        killing = asyncio.create_task(_kill_gateway(measured, count))
        async with asyncio.timeout(PATIENCE_SECONDS):
            status = [event.name async for event in measured.client.events(job_id)][-1]
            await killing
            while len(set(heard.completed.values())) < count:
                await asyncio.sleep(0.1)
            while (await measured.truth(VENDOR))["reports"]["callbacks"]["waiting"]:
                await asyncio.sleep(0.1)
        listening.cancel()
        truth = (await measured.truth(VENDOR))["reports"]
    return [_row(count, status, heard, truth)]


def choose_inputs(reports: ReportsConfig, count: int) -> list[dict[str, int]]:
    """So many inputs of which exactly the named shares are called back early and twice.

    The simulator draws the manner of each report from its input alone; a manner that has its share takes no more."""
    left = {"early": round(count * EARLY), "twice": round(count * TWICE)}
    left["on_time"] = count - sum(left.values())
    seed = SimulatorConfig().seed
    inputs: list[dict[str, int]] = []
    for number in itertools.count():
        if not any(left.values()):
            return inputs
        given = {"n": number}
        course = chart(reports, seed=seed, vendor=VENDOR, digest=digest_of(given), repetition=0)
        if left[course.manner]:
            left[course.manner] -= 1
            inputs.append(given)
    raise AssertionError("numbers do not end")


async def _listen(bench: Bench, job_id: str, heard: Heard) -> None:
    topics = [f"sluice.{topic.name}" for topic in (CALLBACKS_RECEIVED, TASKS_EVENTS)]
    servers = stack.addresses(bench.root).kafka
    async with AIOKafkaConsumer(*topics, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        async for record in consumer:
            heard.take(record, job_id)


async def _kill_gateway(measured: System, count: int) -> None:
    """Once so many callbacks were answered; the supervisor starts it again."""
    while (await measured.truth(VENDOR))["reports"]["callbacks"]["attempts"] < KILL_AFTER * count:
        await asyncio.sleep(0.2)
    measured.processes.kill("callback-gateway", signal.SIGKILL)


def _row(count: int, status: str, heard: Heard, truth: Mapping[str, Any]) -> dict[str, Any]:
    took, times = heard.milliseconds(), Counter(heard.completed.values())
    came = [at for event, at in heard.received.items() if event in heard.reported]
    answers: dict[str, dict[str, int]] = truth["callbacks"]["answers"]
    return {
        "vendor_jobs": count,
        "callbacks": truth["callbacks"]["attempts"],
        "early": _taken(answers.get("early", {})),
        "twice": _taken(answers.get("twice", {})) // 2,
        "not_answered": sum(kind.get("none", 0) for kind in answers.values()),
        "gateway_killed": 1,
        "ended": status,
        "submits": truth["submits"],
        "completed_once": sum(number == 1 for number in times.values()),
        "completed_twice": sum(number > 1 for number in times.values()),
        "seconds": round((max(came) - min(came)) / 1000, 1),
        "p50_ms": round(percentile(took, 50), 1),
        "p99_ms": round(percentile(took, 99), 1),
    }


def _taken(answers: Mapping[str, int]) -> int:
    """How many callbacks of a kind were taken; each is sent until it is."""
    return sum(number for status, number in answers.items() if status.startswith("2"))
