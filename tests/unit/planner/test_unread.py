"""Which job a request that cannot be read asks for: the one that its sender knows."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.planner.accept.unread import job_of_unread
from shared.events.envelope import CE_ID, Position, Record, event_id

KEY, DOCUMENT, EVENT = (UUID(int=number) for number in (1, 2, 3))
WITH_ID = b'{"id":"%s","tolerate":NaN}' % str(DOCUMENT).encode()


def record(value: bytes | None, key: object = KEY, *, event: object = "") -> Record:
    headers = [(CE_ID, str(event).encode())] if event else []
    return Record(
        Position("t", 0, 7), str(key).encode() if key else None, value, headers, datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("found", "job"),
    [
        (record(WITH_ID, event=EVENT), DOCUMENT),
        (record(b'{"tolerate":NaN}', event=EVENT), EVENT),
        (record(b"{", event=EVENT), KEY),
        (record(b"{", key="acme", event=EVENT), EVENT),
        (record(b"{", key=None), None),
        (record(b"{", key="acme"), None),
        (record(b"{", key=UUID(int=0)), None),
        (record(b"[" * 10_000), KEY),
        (record(None), KEY),
        (record(b"[]"), KEY),
        (record(b'{"id":"x"}'), KEY),
        (record(b'{"id":7}'), KEY),
        (record(b'{"id":["x"]}'), KEY),
    ],
)
def test_the_document_names_the_job_or_else_the_key_or_the_event(found: Record, job: UUID | None) -> None:
    assert job_of_unread(found) == job


def test_a_document_without_an_id_asks_for_the_job_of_its_event_as_a_good_one_does() -> None:
    bare = record(b'{"tolerate":NaN}')
    assert job_of_unread(bare) == event_id(bare)
