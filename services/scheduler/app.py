"""The scheduler as a table."""

from services.scheduler.schedules.handler import SKIPS, change_schedules, end_firings
from services.scheduler.schedules.loop import FailAbandoned, FireSchedules
from services.scheduler.settings import Settings
from services.scheduler.timers.handler import set_retries, set_timers
from services.scheduler.timers.loop import Fire, count_pending
from shared.events.catalogue import JOBS_EVENTS, RETRIES, SCHEDULES_REQUESTED, TIMERS_REQUESTED
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, and what runs by itself."""
    fire = Loop("timers-fire", Fire(runtime).step)
    schedules = Loop("schedules-fire", FireSchedules(runtime.database, fire.wake).step)
    abandoned = Loop("schedules-abandoned", FailAbandoned(runtime.database, fire.wake).step)
    retry = set_retries(runtime.settings.topic_prefix)
    return App(
        consumers=[
            Consumer("timers", TIMERS_REQUESTED, set_timers, wake=fire.wake),
            *(Consumer(f"timers-{name}", topic, retry, wake=fire.wake) for name, topic in RETRIES.items()),
            Consumer("schedules", SCHEDULES_REQUESTED, change_schedules, wake=schedules.wake),
            Consumer("schedules-ends", JOBS_EVENTS, end_firings, wake=schedules.wake, skips=SKIPS),
        ],
        loops=[fire, schedules, abandoned, Loop("timers-count", count_pending(runtime.database))],
    )
