"""The planner as a table."""

from services.planner.accept.handler import accept_jobs, give_up_job, reject_unread
from services.planner.configure import handler as configuration
from services.planner.control.handler import control_jobs
from services.planner.expire.loop import Expire
from services.planner.invoke import handler as invoke
from services.planner.notify.handler import deliver_notifications
from services.planner.release.loop import Release
from services.planner.release.watch import Watch
from services.planner.settings import Settings
from services.planner.start.handler import start_jobs
from services.planner.track import handler as track
from shared.events.catalogue import (
    HOOKS,
    JOBS_CONTROL,
    JOBS_REQUESTED,
    NOTIFICATIONS,
    SOURCES,
    TASKS_DUE,
    TASKS_EVENTS,
    VENDORS,
    WEBHOOKS_RECEIVED,
)
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, and what runs by itself."""
    release = Loop("release", Release(runtime).step)
    return App(
        consumers=[
            Consumer(
                "accept",
                JOBS_REQUESTED,
                accept_jobs,
                wake=release.wake,
                on_given_up=give_up_job,
                on_unread=reject_unread,
                spacing_seconds=0.1,
            ),
            Consumer(
                "track",
                TASKS_EVENTS,
                track.track_tasks,
                wake=release.wake,
                skips=track.SKIPS,
                spacing_seconds=0.06,
            ),
            Consumer(
                "invoke",
                TASKS_EVENTS,
                invoke.follow_submits,
                wake=release.wake,
                skips=invoke.SKIPS,
                spacing_seconds=0.1,
            ),
            Consumer("invoke-due", TASKS_DUE, invoke.wake_submits, wake=release.wake),
            Consumer("notify", NOTIFICATIONS, deliver_notifications),
            Consumer("control", JOBS_CONTROL, control_jobs, wake=release.wake),
            Consumer("configure-vendors", VENDORS, configuration.vendors.handle),
            Consumer("configure-sources", SOURCES, configuration.sources.handle),
            Consumer("configure-hooks", HOOKS, configuration.hooks.handle),
            Consumer("start", WEBHOOKS_RECEIVED, start_jobs),
        ],
        loops=[release, Loop("expire", Expire(runtime).step), Loop("release-watch", Watch(runtime).step)],
    )
