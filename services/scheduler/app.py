"""The scheduler as a table."""

from services.scheduler.settings import Settings
from services.scheduler.timers.handler import set_retries, set_timers
from services.scheduler.timers.loop import Fire, count_pending
from shared.events.catalogue import RETRIES, TIMERS_REQUESTED
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, and what runs by itself."""
    fire = Loop("fire", Fire(runtime).step)
    retry = set_retries(runtime.settings.topic_prefix)
    return App(
        consumers=[
            Consumer("timers", TIMERS_REQUESTED, set_timers, wake=fire.wake),
            *(Consumer(f"retries-{name}", topic, retry, wake=fire.wake) for name, topic in RETRIES.items()),
        ],
        loops=[fire, Loop("pending", count_pending(runtime.database))],
    )
