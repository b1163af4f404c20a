"""vendors → the table of the same name. A vendor that is applied anew is paused no more."""

from shared.database.queries import load_queries
from shared.messaging.latest import Latest

SQL = load_queries(__file__)

vendors = Latest(SQL["upsert_vendors"], SQL["delete_vendors"], (SQL["end_pauses"],))
