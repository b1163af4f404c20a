"""vendors → the table of the same name; a new word ends a pause."""

from services.fetcher.configure import store
from shared.messaging.latest import keep_latest

configure_vendors = keep_latest(store.upsert_vendors, store.delete_vendors)
