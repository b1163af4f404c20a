"""`python -m tests.integration.shared.endless`: a service with a worker that does not end when it is told to, nor when
it is cancelled."""

import asyncio
from contextlib import suppress

from services.scheduler.settings import Settings
from shared.runtime.app import App, Runtime
from shared.runtime.service import run_service


class Endless:
    """The worker."""

    name = "endless"

    async def run(self) -> None:
        """For ever."""
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    def stop(self) -> None:
        """To no effect."""


def build(runtime: Runtime[Settings]) -> App:
    """Nothing but the worker."""
    return App(consumers=[], workers=[Endless()])


if __name__ == "__main__":
    run_service("scheduler", Settings, build)
