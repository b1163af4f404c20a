"""A source with a topic sink: the topic is there as soon as the source is applied, and carries each record once."""

from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import ReaderFor
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}
COUNTED = {**ITEMS, "pages": {"style": "offset", "size": 50, "total": "body.meta.total"}}


async def apply(running: Cluster, name: str, poll: dict[str, Any], **vendor: Any) -> str:
    """A vendor of 300 records, and a source of it whose only sink is a topic; gives the source's name."""
    await running.configure_simulator(name, records=300, **vendor)
    await running.apply_vendor(name)
    source = {"vendor": name, "poll": poll, "sinks": [{"type": "topic"}]}
    answer = await running.http.put(f"{running.gateway}/sources/{name}-items", json=source)
    assert answer.status_code == 201, answer.text
    return f"{name}-items"


def has_all(records: TopicReader) -> bool:
    return len(records.records) >= 300


async def test_records_reach_their_topic_once(topics: Place, tmp_path: Path, reader_for: ReaderFor) -> None:
    expected = sorted(str(number) for number in range(1, 301))
    async with cluster(topics, tmp_path) as running:
        for name, misbehaviour in (("acme", {}), ("bolt", {"pages": "overlap"})):
            source = await apply(running, name, COUNTED, misbehaviour=misbehaviour)
            records = await reader_for(f"records.{source}")
            job = await running.ended(await running.submit({"source": source}))
            assert (job["status"], job["distinct"], job["completeness"]["complete"]) == ("completed", 300, True)
            assert (job["records"] > 300) == (name == "bolt")
            await eventually(partial(has_all, records))
            assert sorted(record.key.decode() for record in records.records) == expected
            assert len({dict(record.headers)["ce_id"] for record in records.records}) == 300


async def test_a_page_that_comes_again_and_again_is_not_taken_for_all_records(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        source = await apply(running, "acme", COUNTED, misbehaviour={"pages": "repeat"})
        nowhere = {"vendor": "acme", "poll": COUNTED, "sinks": []}
        for specification in ({"source": source}, nowhere):
            job = await running.ended(await running.submit(specification))
            assert (job["records"], job["distinct"], job["completeness"]["complete"]) == (300, 50, False)
            assert job["status"] == "completed_with_failures"
            assert job["reason"].startswith("incomplete: 50 distinct records of 300")
