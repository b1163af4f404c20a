"""The fetcher as a table."""

from collections.abc import Sequence
from functools import partial

from services.fetcher.call.make import CallMaker
from services.fetcher.call.prepare import CallbackUrls
from services.fetcher.call.secrets import SigningSecrets
from services.fetcher.call.transport import Transport
from services.fetcher.configure import handler as configuration
from services.fetcher.control.handler import SKIPS, control_calls
from services.fetcher.enqueue.handler import enqueue_calls, give_up_call
from services.fetcher.expire.loop import Expire
from services.fetcher.lanes.lanes import Lanes
from services.fetcher.settings import Settings
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover.loop import Takeover
from shared.events.catalogue import FETCH_REQUESTED, JOBS_EVENTS, VENDORS
from shared.ids import new_id
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, and what runs by itself."""
    settings, fetcher_id = runtime.settings, new_id()
    settlement = Settlement(runtime.database, runtime.producer, fetcher_id)
    callbacks = CallbackUrls(settings.gateway_public_url, settings.callback_key)
    transport = Transport(private=settings.private_networks, body_bytes=settings.fetcher_body_bytes)
    maker = CallMaker(transport, runtime.payloads, callbacks, SigningSecrets(settings.signing_places))
    lanes = Lanes(runtime, settlement, fetcher_id, maker.make, cannot_store=lambda: maker.cannot_store)
    takeover = Takeover(runtime.database, settlement, fetcher_id, settings.fetcher_lease_seconds, wake=lanes.wake)
    return App(
        consumers=[
            Consumer("control", JOBS_EVENTS, control_calls, skips=SKIPS),
            Consumer("enqueue", FETCH_REQUESTED, enqueue_calls, wake=lanes.wake, on_given_up=give_up_call),
            Consumer("configure", VENDORS, configuration.vendors.handle, wake=lanes.wake_all),
        ],
        loops=[
            *_loops(settlement, takeover),
            Loop("settle-leftovers", partial(settlement.leftovers.delete, runtime.payloads)),
            Loop("expire", Expire(runtime).step),
        ],
        workers=[lanes],
        closables=[transport],
    )


def _loops(settlement: Settlement, takeover: Takeover) -> Sequence[Loop]:
    return [Loop("takeover", takeover.step), settlement.writing, settlement.sending]
