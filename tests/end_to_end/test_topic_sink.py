"""A source with a topic sink: the topic is there as soon as the source is applied, and carries each record once."""

from pathlib import Path

from tests.cluster import cluster
from tests.conftest import ReaderFor
from tests.eventually import eventually
from tests.stack import Place


async def test_records_reach_their_topic_once(topics: Place, tmp_path: Path, reader_for: ReaderFor) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=300)
        await running.apply_vendor("acme")
        source = {
            "vendor": "acme",
            "poll": {"request": {"path": "/items"}, "records": {"key": "id"}},
            "sinks": [{"type": "topic"}],
        }
        answer = await running.http.put(f"{running.gateway}/sources/acme-items", json=source)
        assert answer.status_code == 201, answer.text
        records = await reader_for("records.acme-items")
        job = await running.ended(await running.submit({"source": "acme-items"}))
        assert (job["status"], job["records"]) == ("completed", 300)
        await eventually(lambda: len(records.records) >= 300)
        assert {record.key.decode() for record in records.records} == {str(number) for number in range(1, 301)}
        refused = await running.submit({"vendor": "acme", "poll": source["poll"], "sinks": [{"type": "topic"}]})
        job = await running.ended(refused)
        assert job["status"] == "rejected"
        assert job["mistakes"][0]["pointer"] == "/sinks"
