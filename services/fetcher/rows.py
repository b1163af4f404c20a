"""Rows that more than one behaviour reads or writes."""

from uuid import UUID

import orjson

from services.fetcher.model import SUSPECT_FROM, Claimed
from shared.database.pool import Database, Row
from shared.database.queries import load_queries
from shared.events.tasks import FetchRequested

SQL = load_queries(__file__)


def claimed_of(row: Row) -> Claimed:
    """A call as its row has it, without vendor and permit."""
    return Claimed(
        id=row["id"],
        request=FetchRequested.model_validate_json(row["request"]),
        raw=row["request"],
        origin=_origin(row),
        vendor=None,
        repeatable=row["repeatable"],
        attempt=row["attempt"],
        claim=row["claim"],
        first_attempt_at=row["first_attempt_at"] or row["created_at"],
        limited_since=row["limited_since"],
        created_at=row["created_at"],
        moment=0,
        may_have_left=row["may_have_left"],
        is_suspect=len(row["taken_from"]) >= SUSPECT_FROM,
    )


def _origin(row: Row) -> dict[str, object]:
    """What a dead letter needs of the original message."""
    origin = row["origin"]
    return dict(origin) if isinstance(origin, dict) else dict(orjson.loads(origin))


async def touch_fetcher(database: Database, fetcher_id: UUID) -> None:
    """This fetcher lives; known to all at once."""
    await database.execute(SQL["touch_fetcher"], fetcher_id)
