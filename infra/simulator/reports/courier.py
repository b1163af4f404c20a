"""Sends the callbacks of one vendor: each at its time, so many at once, again until they are taken."""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from infra.simulator.reports.book import Report
from infra.simulator.reports.config import ReportsConfig
from infra.simulator.reports.plan import Callback, address, plan_callbacks, seal
from infra.simulator.reports.truth import ReportsTruth


class Courier:
    """Callbacks on their way. `wall` is the epoch time in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(1)
        self._slot_count = 1
        self._tasks: set[asyncio.Task[None]] = set()

    def dispatch(self, config: ReportsConfig, report: Report, truth: ReportsTruth) -> "asyncio.Future[None] | None":
        """Send a report's callbacks from now on. For an early one, what is done when it got its first answer."""
        if report.callback_url is None:
            return None
        if config.in_flight_max != self._slot_count:
            self._slots, self._slot_count = asyncio.Semaphore(config.in_flight_max), config.in_flight_max
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for callback in plan_callbacks(config, report.course):
            truth.planned()
            task = asyncio.ensure_future(self._deliver(config, report, callback, truth, first))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return first if report.course.manner == "early" else None

    async def _deliver(
        self,
        config: ReportsConfig,
        report: Report,
        callback: Callback,
        truth: ReportsTruth,
        first: "asyncio.Future[None]",
    ) -> None:
        """One callback, to its end."""
        delivered = False
        await asyncio.sleep(callback.after_seconds)
        for attempt in range(1, (1 if callback.forged else config.attempts) + 1):
            if report.aborted:
                break
            async with self._slots:
                answer = await self._attempt(config, report, callback, truth, attempt)
            if not first.done():
                first.set_result(None)
            delivered = answer is not None and 200 <= answer < 300
            if delivered or answer == 410:
                break
            if attempt < config.attempts:
                await asyncio.sleep(config.pause_seconds(attempt))
        truth.finished(withdrawn=report.aborted and not delivered, delivered=delivered)

    async def _attempt(
        self, config: ReportsConfig, report: Report, callback: Callback, truth: ReportsTruth, attempt: int
    ) -> int | None:
        """The status that an attempt was answered with, or nothing."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)
        truth.sending()
        sent_at, answer = self._wall(), None
        url, headers = (
            address(report.callback_url or "", callback, config.sign),
            seal(callback, config.sign, wall=sent_at),
        )
        timeout = aiohttp.ClientTimeout(total=config.timeout_seconds)
        try:
            async with self._session.post(
                url, data=callback.body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await response.read()
                answer = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            pass
        finally:
            entry = {"id": callback.id, "report": report.course.report_id, "kind": callback.kind}
            truth.answered(
                entry | {"attempt": attempt, "sent_at": sent_at, "answered_at": self._wall(), "answer": answer}
            )
        return answer

    def drop(self) -> None:
        """Send nothing of what is still to be sent."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Drop everything and let go of the connections."""
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
