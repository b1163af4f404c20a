"""vendors, sources, hooks → tables of the same names."""

from services.callback_gateway.configure import store
from shared.messaging.latest import keep_latest

configure_vendors = keep_latest(store.upsert_vendors, store.delete_vendors)
configure_sources = keep_latest(store.upsert_sources, store.delete_sources)
configure_hooks = keep_latest(store.upsert_hooks, store.delete_hooks)
