"""vendors, sources, hooks → tables of the same names."""

from shared.database.queries import load_queries
from shared.messaging.latest import Latest

SQL = load_queries(__file__)

vendors = Latest(SQL["upsert_vendors"], SQL["delete_vendors"])
sources = Latest(SQL["upsert_sources"], SQL["delete_sources"])
hooks = Latest(SQL["upsert_hooks"], SQL["delete_hooks"])
