"""A source with a topic sink: the topic is there as soon as the source is applied, and carries each record once."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.topic_reader import TopicReader, reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC = [{"type": "topic"}]
ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}
COUNTED = {**ITEMS, "pages": {"style": "offset", "size": 50, "total": "body.meta.total"}}


async def apply(
    running: Cluster, name: str, poll: dict[str, Any], sinks: Sequence[dict[str, str]] = TOPIC, **vendor: Any
) -> str:
    """A vendor of 300 records, and a source of it; gives the source's name."""
    await running.configure_simulator(name, records=300, **vendor)
    await running.apply_vendor(name)
    source = {"vendor": name, "poll": poll, "sinks": sinks}
    answer = await running.http.put(f"{running.gateway}/sources/{name}-items", json=source)
    assert answer.status_code == 201, answer.text
    return f"{name}-items"


def has_all(records: TopicReader) -> bool:
    return len(records.records) >= 300


@pytest.mark.parametrize(("name", "misbehaviour"), [("acme", {}), ("bolt", {"pages": "overlap"})])
async def test_records_reach_their_topic_once(running: Cluster, name: str, misbehaviour: dict[str, str]) -> None:
    """Those that come on two pages, too."""
    source = await apply(running, name, COUNTED, misbehaviour=misbehaviour)
    async with reading(running.place, f"records.{source}") as records:
        job = await running.ended(await running.submit({"source": source}))
        assert (job["status"], job["distinct"], job["completeness"]["complete"]) == ("completed", 300, True)
        assert (job["records"] > 300) == bool(misbehaviour)
        await eventually(partial(has_all, records))
    assert sorted(record.key.decode() for record in records.records) == sorted(map(str, range(1, 301)))
    assert len({dict(record.headers)["ce_id"] for record in records.records}) == 300


@pytest.mark.parametrize("sinks", [[{"type": "topic"}], []])
async def test_a_page_that_comes_again_and_again_is_not_taken_for_all_records(
    running: Cluster, sinks: list[dict[str, str]]
) -> None:
    source = await apply(running, f"repeats-{len(sinks)}", COUNTED, sinks=sinks, misbehaviour={"pages": "repeat"})
    job = await running.ended(await running.submit({"source": source}))
    assert (job["records"], job["distinct"], job["completeness"]["complete"]) == (300, 50, False)
    assert job["status"] == "completed_with_failures"
    assert job["reason"].startswith("incomplete: 50 distinct records of 300")
