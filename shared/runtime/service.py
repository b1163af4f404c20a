"""A service process from start to end.

Start: open the database and the producer, check the topics, build the app, join the groups, run loops and workers.
End on SIGTERM or SIGINT: stop taking messages, finish what is in hand, commit, close; a timer thread ends the process
after `stop_seconds`, whatever hangs. A worker that ends by itself ends the process: a supervisor starts it again.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

import uvloop

from shared import secrets
from shared.database.pool import Database
from shared.errors import SluiceError
from shared.events.catalogue import DEAD, RETRIES, SERVICES
from shared.events.topic import WEEK
from shared.messaging import ledger
from shared.messaging.handler import Consumer
from shared.messaging.producer import Producer
from shared.messaging.shell import Shell
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.topics import Profile, check_topics, warn_of_differences
from shared.observability.logs import configure_logs, get_logger
from shared.payloads.store import PayloadStore
from shared.runtime.app import App, Runtime
from shared.runtime.clock import ask_database, monotonic, utc_now
from shared.runtime.health import HealthServer, Heartbeat
from shared.runtime.loop import Loop
from shared.runtime.settings import ServiceSettings, misspelt, own_secrets, read_settings
from shared.runtime.watchdog import EXIT_CODE, Watchdog

S = TypeVar("S", bound=ServiceSettings)
Build = Callable[[Runtime[S]], App]

_LEDGER_AGE = 2 * WEEK
_LEDGER_PAUSE_SECONDS = 60.0
_FAILING_SECONDS = 5.0
_WORKERS_SHARE = 0.5
_PARTS_SHARE = 0.6
"""Shares of the time that a stop may take: for workers to end, and for all parts."""

log = get_logger(__name__)


def run_service(name: str, kind: type[S], build: Build[S]) -> None:
    """Run a service until a signal stops it. Exit code 0 after a stop, 1 when it cannot start, 70 when it broke."""
    configure_logs(name, "INFO")
    try:
        settings = read_settings(kind)
        configure_logs(name, settings.log_level)
        for variable, meant in misspelt(kind, os.environ).items():
            log.warning("settings.misspelt", variable=variable, meant=meant)
        code = uvloop.run(_run(name, settings, build))
    except SluiceError as error:
        log.error("service.cannot_start", error=str(error))
        code = 1
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process, when everything is closed, without the interpreter's own tidying up: there the S3 client's
    threads abort it now and then, and a clean stop would look like a crash."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def open_runtime(name: str, settings: S) -> Runtime[S]:
    """The resources of a process, not yet opened; from here on its secrets come from the allowed places only, and those
    that settings lead to, its own and other services', are out of the reach of specifications."""
    schema = name.replace("-", "_")
    secrets.allow_only(settings.secret_places)
    everybody = [service.replace("-", "_") for service in SERVICES]
    secrets.reserve(*(one.replace("{service}", any_) for one in own_secrets(settings) for any_ in everybody))
    return Runtime(
        settings=settings,
        database=Database(
            settings.database_login(schema),
            schema=schema,
            connections=settings.database_connections,
            idle_seconds=settings.idle_seconds,
        ),
        producer=Producer(settings.brokers, prefix=settings.topic_prefix),
        payloads=PayloadStore(settings.payload_store, endpoint=settings.payload_store_endpoint),
    )


async def _run(name: str, settings: S, build: Build[S]) -> int:
    runtime = open_runtime(name, settings)
    stopping = asyncio.Event()
    # It is never cancelled: a normal end comes earlier, and what comes after the parts have ended may hang, too.
    last_resort = threading.Timer(settings.stop_seconds, os._exit, [0])
    last_resort.daemon = True

    def end_in_time() -> None:
        """From the first reason to end: whatever the start waits for may hang as well."""
        if last_resort.ident is None:
            last_resort.start()

    def end() -> None:
        stopping.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        await runtime.database.open()
        await ask_database(runtime.database)
        await runtime.producer.open()
        app = build(runtime)
        needed = [*(consumer.topic for consumer in app.consumers), RETRIES[name], DEAD[name]]
        await check_topics(settings.brokers, settings.topic_prefix, needed)
        profile = Profile(settings.topic_partitions, settings.topic_replication)
        await warn_of_differences(settings.brokers, settings.topic_prefix, needed, profile)
        return await Process(name, runtime, app, when_stopping=end_in_time).run(stopping)
    finally:
        await runtime.producer.close()
        await runtime.database.close()


class Process:
    """The running parts of a service. `when_stopping` is called as the first thing of the end."""

    def __init__(
        self, name: str, runtime: Runtime[Any], app: App, *, when_stopping: Callable[[], object] = lambda: None
    ) -> None:
        settings: ServiceSettings = runtime.settings
        self._when_stopping = when_stopping
        self._name = name
        self._settings = settings
        self._app = app
        clock = Loop("clock", partial(ask_database, runtime.database))
        shells = [
            Shell(name, settings.topic_prefix, consumer, runtime.database, runtime.producer, clock=utc_now)
            for consumer in app.consumers
            for _ in range(consumer.members)
        ]
        self._subscriptions = Subscriptions(settings.brokers, shells, replica=settings.replica)
        offsets = Loop("offsets", self._subscriptions.commit_offsets)
        self._loops = [*app.loops, clock, Loop("ledger", _forgetting(runtime.database, app.consumers)), offsets]
        self._heartbeat = Heartbeat()
        self._stopping = False

    async def run(self, stopping: asyncio.Event) -> int:
        """Until `stopping` is set or a part ends by itself; gives the exit code."""
        health = HealthServer(self._settings.health_host, self._settings.health_port, self._heartbeat, self._check)
        dog = Watchdog(self._heartbeat, self._subscriptions.states)
        watchdog = asyncio.create_task(dog.run(), name="watchdog")
        loops = [asyncio.create_task(loop.run(), name=loop.name) for loop in self._loops]
        workers = [asyncio.create_task(worker.run(), name=worker.name) for worker in self._app.workers]
        stop_requested = asyncio.create_task(stopping.wait(), name="signal")
        await self._join(stop_requested)
        log.info("service.started", health_port=health.port, pid=os.getpid())
        _settle_memory()
        is_broken = await _has_broken_part(stop_requested, [watchdog, *loops, *workers])
        await self._stop(loops, workers)
        for one in self._app.closables:
            await one.close()
        dog.stop()
        watchdog.cancel()
        health.close()
        return EXIT_CODE if is_broken else 0

    async def _join(self, stop_requested: asyncio.Task[bool]) -> None:
        """Join the groups, but stop waiting at a request to stop: a rebalance may last longer than a stop."""
        joining = asyncio.create_task(self._subscriptions.open(), name="join")
        await asyncio.wait([joining, stop_requested], return_when=asyncio.FIRST_COMPLETED)
        if joining.done():
            await joining
        else:
            joining.cancel()

    async def _stop(self, loops: Sequence[asyncio.Task[None]], workers: Sequence[asyncio.Task[None]]) -> None:
        self._stopping = True
        log.info("service.stopping")
        self._when_stopping()
        await self._subscriptions.close()
        began = monotonic()
        for worker in self._app.workers:
            worker.stop()
        if workers:
            _, late = await asyncio.wait(workers, timeout=self._settings.stop_seconds * _WORKERS_SHARE)
            for task in late:  # while the loops go on: what a worker has at hand is still written by them
                task.cancel()
        for loop in self._loops:
            loop.stop()
        left = self._settings.stop_seconds * _PARTS_SHARE - (monotonic() - began)
        _, late = await asyncio.wait([*loops, *workers], timeout=left)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        log.info("service.stopped")

    def _check(self) -> dict[str, Any]:
        consumers = self._subscriptions.states()
        problems = ["stopping"] if self._stopping else []
        problems += [f"{state['group']} waits for infrastructure" for state in consumers if state["waiting"]]
        problems += [f"{state['group']} stands still: circuit open" for state in consumers if state["circuit_open"]]
        problems += [f"{state['group']} does not poll" for state in consumers if not state["polling"]]
        problems += [f"{state['group']} fails in {at}" for state in consumers for at in state["failing"]]
        problems += [f"{state['group']} cannot read {at}" for state in consumers for at in state["unreadable"]]
        problems += [f"{state['group']} must not read: {state['denied']}" for state in consumers if state["denied"]]
        cut_off = sum(not state["connected"] for state in consumers)
        problems += [f"Kafka does not answer: {cut_off} of {len(consumers)} consumers are cut off"] if cut_off else []
        failing = [loop for loop in self._loops if loop.failing_seconds > _FAILING_SECONDS]
        problems += [f"loop {loop.name} fails: {loop.fault}" for loop in failing]
        return {"service": self._name, "problems": problems, "consumers": consumers}


async def _has_broken_part(stop_requested: asyncio.Task[bool], parts: Sequence[asyncio.Task[None]]) -> bool:
    """Wait for a request to stop, or for a part to end by itself, which none should; gives whether one did."""
    done, _ = await asyncio.wait([stop_requested, *parts], return_when=asyncio.FIRST_COMPLETED)
    broken = [part for part in parts if part in done]
    for part in broken:
        error = None if part.cancelled() else part.exception()
        log.error("service.part_ended", part=part.get_name(), exc_info=error)
    return bool(broken)


def _settle_memory() -> None:
    """What is there after the start stays: keep the collector from walking through it, which can take longer than a
    permit lasts. Events come and go in thousands, so it need not look as often as it does by default, either."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _forgetting(database: Database, consumers: Sequence[Consumer[Any]]) -> Callable[[], Any]:
    kept = [consumer.behaviour for consumer in consumers if consumer.topic.is_state]

    async def step() -> float:
        deleted = await ledger.forget_events(database, older_than=_LEDGER_AGE, kept=kept)
        return 0.5 if deleted else _LEDGER_PAUSE_SECONDS

    return step
