"""The gateway as a table. A loop has the name of its place: that of `expire/answers.py` is `expire-answers`."""

from services.callback_gateway.configuration_cache import ConfigurationCache
from services.callback_gateway.configure import handler as configuration
from services.callback_gateway.expire.answers import ExpireAnswers
from services.callback_gateway.expire.loop import Expire
from services.callback_gateway.http.context import ApiContext
from services.callback_gateway.http.follow import Following
from services.callback_gateway.http.new_jobs import NewJobs
from services.callback_gateway.http.server import HttpServer, build_api
from services.callback_gateway.match.handler import expect_callbacks, match_callbacks
from services.callback_gateway.match.loop import Unmatched
from services.callback_gateway.redrive.count import CountOpen
from services.callback_gateway.redrive.loop import Redrive
from services.callback_gateway.schedules.handler import view_schedules
from services.callback_gateway.schedules.loop import ExpireSchedules
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.loop import Drain
from services.callback_gateway.spool.outbound import Outbound
from services.callback_gateway.views.handler import view_dead_letters, view_jobs, view_tasks
from shared.events.catalogue import (
    CALLBACKS_EXPECTED,
    CALLBACKS_RECEIVED,
    DEAD,
    HOOKS,
    JOBS_EVENTS,
    SCHEDULES_EVENTS,
    SOURCES,
    TASKS_EVENTS,
    VENDORS,
)
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, what runs by itself, and the HTTP server."""
    settings, database = runtime.settings, runtime.database
    outbound = Outbound(runtime.producer, database, settings.gateway_produce_seconds)
    cache, following = ConfigurationCache(database), Following(database)
    refresh, follow = Loop("configuration-cache", cache.refresh), Loop("http-follow", following.look)
    new_jobs = NewJobs(database, outbound)
    context = ApiContext(settings, database, outbound, cache, new_jobs, runtime.payloads, following)
    return App(
        consumers=[
            Consumer("views-jobs", JOBS_EVENTS, view_jobs, wake=follow.wake, spacing_seconds=0.06),
            Consumer("views-tasks", TASKS_EVENTS, view_tasks, max_records=2000, spacing_seconds=0.25),
            Consumer("schedules", SCHEDULES_EVENTS, view_schedules),
            Consumer("match", CALLBACKS_RECEIVED, match_callbacks),
            Consumer("match-expected", CALLBACKS_EXPECTED, expect_callbacks),
            *(Consumer(f"views-dead-{name}", topic, view_dead_letters) for name, topic in DEAD.items()),
            Consumer("configure-vendors", VENDORS, configuration.vendors.handle, wake=refresh.wake),
            Consumer("configure-sources", SOURCES, configuration.sources.handle, wake=refresh.wake),
            Consumer("configure-hooks", HOOKS, configuration.hooks.handle, wake=refresh.wake),
        ],
        loops=[refresh, follow, Loop("spool", Drain(runtime, outbound).step), *_by_the_clock(runtime)],
        workers=[
            HttpServer(build_api(context), settings.gateway_host, settings.gateway_port, settings.gateway_connections)
        ],
    )


def _by_the_clock(runtime: Runtime[Settings]) -> list[Loop]:
    return [
        Loop("expire", Expire(runtime).step),
        Loop("expire-answers", ExpireAnswers(runtime).step),
        Loop("schedules-expire", ExpireSchedules(runtime.database).step),
        Loop("match", Unmatched(runtime).step),
        Loop("redrive", Redrive(runtime).step),
        Loop("redrive-count", CountOpen(runtime.database).step),
    ]
