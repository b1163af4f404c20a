"""The processor as a table."""

from functools import partial

from services.processor.expire.keys import ExpireKeys
from services.processor.expire.loop import Expire
from services.processor.process.handler import give_up_page, process_pages
from services.processor.process.prepare import Preparation
from services.processor.settings import Settings
from services.processor.sinks.busy import BusyTables
from shared.events.catalogue import PAYLOADS_STORED
from shared.messaging.handler import Consumer
from shared.runtime.app import App, Runtime
from shared.runtime.loop import Loop


def build(runtime: Runtime[Settings]) -> App:
    """Which topic goes to which behaviour, and which loops run."""
    preparation = Preparation(runtime.payloads, runtime.settings.processor_reads)
    process: Consumer[object] = Consumer(
        "process",
        PAYLOADS_STORED,  # type: ignore[arg-type] # the preparation turns these events into pages
        partial(process_pages, busy=BusyTables()),
        prepare=preparation.prepare,
        on_given_up=give_up_page,
        max_records=runtime.settings.processor_pages,
        members=runtime.settings.processor_members,
    )
    loops = [Loop("expire", Expire(runtime).step), Loop("expire-keys", ExpireKeys(runtime.database).step)]
    return App(consumers=[process], loops=loops)
