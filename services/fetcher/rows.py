"""Rows that more than one behaviour reads or writes."""

from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from pydantic_core import from_json

from services.fetcher.model import SUSPECT_FROM, Claimed
from shared.database.pool import Database, Row
from shared.database.queries import load_queries
from shared.events.catalogue import FETCH_REQUESTED
from shared.events.tasks import FetchRequested

SQL = load_queries(__file__)

_UNREADABLE = "schema_invalid: the call was written down by a release whose calls this one cannot read"


def claimed_of(row: Row) -> Claimed:
    """A call as its row has it, without vendor and permit. What another release added to it is ignored, as it was when
    the call was written down; of a call that cannot be read there is what is needed to give it up."""
    try:
        request, unreadable = FETCH_REQUESTED.adapter.validate_json(row["request"], extra="ignore"), ""
    except ValidationError:
        request, unreadable = _readable_part(row), _UNREADABLE
    return Claimed(
        id=row["id"],
        request=request,
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
        unreadable=unreadable,
    )


def _readable_part(row: Row) -> FetchRequested:
    """Each field that can be read by itself; the others are as if nothing had been said."""
    try:
        document = from_json(row["request"])
    except ValueError:
        document = None
    fields: dict[str, Any] = {
        "task_id": row["id"],
        "job_id": row["id"],
        "number": 0,
        "vendor": "",
        "call": {},
        "processing": {"source": ""},
    }
    for name, value in document.items() if isinstance(document, dict) else ():
        try:
            FETCH_REQUESTED.adapter.validate_python({**fields, name: value}, extra="ignore")
        except ValidationError:
            continue
        fields[name] = value
    return FETCH_REQUESTED.adapter.validate_python(fields, extra="ignore")


def _origin(row: Row) -> dict[str, object]:
    """What a dead letter needs of the original message."""
    origin = row["origin"]
    return dict(origin) if isinstance(origin, dict) else dict(orjson.loads(origin))


async def show_life(database: Database, fetcher_id: UUID) -> float | None:
    """Give a sign of life of this fetcher, which all see at once; it waits for no other work. Returns the seconds since
    the one before it, by the database's clock; None if there was none."""
    async with database.transaction(reserved=True) as tx:
        silent_seconds: float | None = await tx.fetchval(SQL["show_life"], fetcher_id)
    return silent_seconds
