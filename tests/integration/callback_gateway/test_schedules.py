"""`/schedules`: checked, durable, then answered with a correlation id; shown as their facts have them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.callback_gateway.schedules import store
from services.callback_gateway.schedules.decide import ScheduleView
from services.callback_gateway.schedules.loop import ExpireSchedules
from shared.events.catalogue import SCHEDULES_EVENTS
from shared.events.schedules import ScheduleChanged, ScheduleState, schedule_id_of
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from tests.conftest import ReaderFor
from tests.integration.callback_gateway.conftest import Served
from tests.support.eventually import eventually

SOON = {
    "triggerAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    "start": {"url": "https://api.example/items"},
}
HOURLY = {"schedule": "hourly", "every": "1h", "start": {"url": "https://api.example/items"}}
DAILY = {"schedule": "daily", "every": "1d"}
JOB, PUT = {"topic": "jobs.requested"}, {"topic": "schedules.requested"}
NOTICE = {"subject": "x", "text": "y", "event": {}, "at": "{schedule.time}"}
PRIVATE = {"notify": [{"webhook": "http://127.0.0.1/"}]}

QUOTE = {"vendor": "acme", "request": {"path": "/q/{parameters.sku}", "json": {"lines": ["{foo}"], "by": "{{you}}"}}}


async def test_the_acknowledgement_has_a_correlation_id_and_comes_after_the_broker_had_it(
    edge: Served, reader_for: ReaderFor
) -> None:
    requested = await reader_for("schedules.requested")
    answer = await edge.http.post("/schedules", json=SOON)
    body = answer.json()
    assert answer.status_code == 202
    assert body["correlation_id"] == body["id"]
    assert answer.headers["location"] == body["links"]["self"] == f"/schedules/{body['id']}"
    assert datetime.fromisoformat(body["next_at"]) == datetime.fromisoformat(str(SOON["triggerAt"]))
    [record] = await eventually(lambda: requested.records)
    assert (record.key.decode(), requested.values[0]["schedule"]) == (body["id"], SOON)
    shown = (await edge.http.get(answer.headers["location"])).json()
    assert (shown["status"], shown["schedule"], shown["firings"]) == ("requested", SOON, [])


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({**SOON, "triggerAt": "2020-01-01T00:00:00Z"}, ["/triggerAt"]),
        ({**SOON, "triggerAt": "not a date"}, ["/triggerAt"]),
        ({"cron": "0 0 31 2 *", "zone": "Mars/X", "start": {}}, ["/cron", "/zone", "/start"]),
        ({**HOURLY, "starts": "2099-01-02T00:00:00Z", "ends": "2099-01-01T00:00:00Z"}, ["/ends"]),
        ({**HOURLY, "start": {"source": "nobody"}}, ["/start/source"]),
        ({**HOURLY, "start": {"url": "http://127.0.0.1/"}}, ["/start/url"]),
        ({**HOURLY, "every": "9" * 40 + "d"}, ["/every"]),
        ({**HOURLY, "starts": "0001-01-01T00:00:00+23:59"}, ["/starts"]),
        ({**HOURLY, "overlapp": "skip"}, ["/overlapp"]),
        ({**HOURLY, "start": {"source": "orders", "parameters": {"reg": "eu"}}}, ["/start/parameters"]),
        ({**HOURLY, "start": {**QUOTE, "parameters": {"sku": 7}}}, ["/start/request/json/lines/0"]),
        ({**HOURLY, "on_failure": PRIVATE}, ["/on_failure/notify/0/webhook"]),
        (
            {**HOURLY, "on_failure": {"notify": [{"webhook": "https://me.example/", "vendor": "nobody"}]}},
            ["/on_failure/notify/0/vendor"],
        ),
        (
            {**HOURLY, "on_failure": {"notify": [{"webhook": "https://me.example/", "vendor": "acme"}]}},
            ["/on_failure/notify/0/webhook"],
        ),
        ({**DAILY, "publish": {**JOB, "event": {"urll": 1}}}, ["/publish/event"]),
        ({**DAILY, "publish": {**JOB, "event": {"source": "nobody"}}}, ["/publish/event/source"]),
        ({**DAILY, "publish": {**JOB, "event": {"url": "http://127.0.0.1/"}}}, ["/publish/event/url"]),
        (
            {**DAILY, "publish": {**PUT, "event": {"schedule": {**HOURLY, "start": {"source": "nobody"}}}}},
            ["/publish/event/schedule/start/source"],
        ),
        (
            {**DAILY, "publish": {**PUT, "event": {"schedule": {**HOURLY, "on_failure": PRIVATE}}}},
            ["/publish/event/schedule/on_failure/notify/0/webhook"],
        ),
        (
            {**DAILY, "publish": {"topic": "notifications", "event": {**NOTICE, "webhooks": PRIVATE["notify"]}}},
            ["/publish/event/webhooks/0/webhook"],
        ),
        ([], [""]),
    ],
)
async def test_what_can_never_be_is_refused_with_its_place_and_reason(
    edge: Served, reader_for: ReaderFor, document: Any, pointers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """D21, D22: the original answered 500 without a word, and took a past date for one of next year."""
    requested = await reader_for("schedules.requested")
    await edge.http.put("/vendors/acme", json={"base_url": "https://acme.example"})
    poll = {"request": {"path": "/{parameters.region}", "query": {"sort": "{parameters.region}"}}}
    await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": poll})
    answer = await edge.http.post("/schedules", json=document)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert all(error["detail"] for error in answer.json()["errors"])
    [line] = [line for line in capsys.readouterr().out.splitlines() if "schedule.refused" in line]
    assert all(f"{pointer}: " in line for pointer in pointers)
    assert (await edge.http.get("/schedules")).json() == {"schedules": [], "next": None}
    assert requested.records == []


@pytest.mark.parametrize(
    "publish",
    [
        {**JOB, "event": {"source": "orders", "parameters": {"region": "{schedule.date}"}}},
        {**PUT, "event": {"schedule": {**HOURLY, "start": {"source": "orders", "parameters": {"region": "eu"}}}}},
        {**PUT, "event": {"action": "delete", "schedule_id": str(schedule_id_of("hourly"))}},
        {"topic": "notifications", "event": {**NOTICE, "webhooks": [{"webhook": "https://me.example/"}]}},
    ],
)
async def test_an_event_whose_names_are_configured_can_be_published(edge: Served, publish: dict[str, Any]) -> None:
    await edge.http.put("/vendors/acme", json={"base_url": "https://acme.example"})
    poll = {"request": {"path": "/{parameters.region}"}}
    await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": poll})
    answer = await edge.http.post("/schedules", json={**DAILY, "publish": publish})
    assert answer.status_code == 202, answer.text


async def test_of_very_many_mistakes_some_are_logged(edge: Served, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await edge.http.post("/schedules", json={**HOURLY, **{f"{number}{'x' * 300}": 0 for number in range(500)}})
    assert len(answer.json()["errors"]) == 500
    [line] = [line for line in capsys.readouterr().out.splitlines() if "schedule.refused" in line]
    assert "count=500" in line
    assert len(line) < 10_000


async def test_a_payload_is_shown_as_it_was_given(gateway: httpx.AsyncClient) -> None:
    payload = {"big": 10**30 + 1, "half": 0.5, "text": "\\u0000 é", "no": None, "deep": [[{"a": [True]}]]}
    await gateway.put("/vendors/acme", json={"base_url": "https://acme.example"})
    start = {"vendor": "acme", "request": {"method": "POST", "path": "/x", "json": payload}}
    answer = await gateway.post("/schedules", json={**SOON, "start": start})
    assert answer.status_code == 202, answer.text
    assert (await gateway.get(answer.headers["location"])).json()["schedule"]["start"] == start


async def test_a_request_that_is_repeated_is_the_same_schedule(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("schedules.requested")
    key = {"Idempotency-Key": uuid4().hex}
    first = await edge.http.post("/schedules", json=SOON, headers=key)
    again = await edge.http.post("/schedules", json=SOON, headers=key)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first.json()["id"], "true")
    assert (await edge.http.post("/schedules", json=HOURLY, headers=key)).status_code == 422
    await eventually(lambda: len(requested.records) == 2)
    assert len({dict(record.headers)["ce_id"] for record in requested.records}) == 1
    assert (await edge.http.post("/schedules", json=SOON)).json()["id"] != first.json()["id"]


async def test_a_repetition_after_the_time_is_still_a_repetition(edge: Served) -> None:
    """The answer was lost, the schedule was not: it is not refused as past, nor as its source is gone, and one that is
    over does not come back."""
    key, at = {"Idempotency-Key": uuid4().hex}, datetime.now(UTC) + timedelta(seconds=1)
    assert (await edge.http.put("/vendors/acme", json={"base_url": "https://api.example"})).status_code == 201
    assert (await edge.http.put("/sources/orders", json={"vendor": "acme", "poll": {}})).status_code == 201
    document = {**SOON, "triggerAt": at.isoformat(), "start": {"source": "orders"}}
    first = await edge.http.post("/schedules", json=document, headers=key)
    await eventually(lambda: datetime.now(UTC) > at)
    async with edge.database.transaction() as tx:
        await tx.execute("UPDATE schedules SET state = 'removed', changed_at = now()")
    assert (await edge.http.delete("/sources/orders")).status_code == 204
    again = await edge.http.post("/schedules", json=document, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert (await edge.http.get(again.headers["location"])).json()["status"] == "removed"
    assert (await edge.http.delete(again.headers["location"])).status_code == 404
    assert (await edge.http.post("/schedules", json=document)).status_code == 422


async def test_a_schedule_that_is_over_before_it_is_shown_stays_over(edge: Served) -> None:
    """What is published at once may have gone before the edge has written that it was asked for."""
    schedule_id, asked_at = schedule_id_of("hourly"), datetime.now(UTC)
    for asked, status in ((asked_at, "removed"), (asked_at + timedelta(seconds=2), "requested")):
        async with edge.database.transaction() as tx:
            gone = ScheduleView(schedule_id, "hourly", HOURLY, ScheduleState.REMOVED, None, "", None, asked_at)
            await store.upsert_schedules(tx, [gone])
            await store.insert_schedule(tx, schedule_id, "hourly", HOURLY, asked)
        assert (await edge.http.get("/schedules/hourly")).json()["status"] == status


async def test_what_went_long_ago_is_forgotten(edge: Served) -> None:
    await edge.http.post("/schedules", json=HOURLY)
    later = await edge.http.post("/schedules", json=SOON)
    async with edge.database.transaction() as tx:
        age = "CASE WHEN name IS NULL THEN interval '29 days' ELSE interval '31 days' END"
        await tx.execute(f"UPDATE schedules SET state = 'removed', changed_at = now() - {age}")
        await tx.execute("INSERT INTO firings SELECT id, now(), 0, 2, 'succeeded', id, '' FROM schedules")
    assert await ExpireSchedules(edge.database).step() > 0
    async with edge.database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM schedules") == 1
        assert await tx.fetchval("SELECT count(*) FROM firings") == 1
    assert (await edge.http.get("/schedules/hourly")).status_code == 404
    shown = (await edge.http.get(later.headers["location"])).json()
    assert (shown["status"], [one["verdict"] for one in shown["firings"]]) == ("removed", ["succeeded"])


async def test_limits_are_named_when_they_are_reached(edge: Served) -> None:
    far = (datetime.now(UTC) + timedelta(days=4000)).isoformat()
    for document, limit in (({**HOURLY, "every": "999ms"}, "at least 1s"), ({**SOON, "triggerAt": far}, "ten years")):
        [error] = (await edge.http.post("/schedules", json=document)).json()["errors"]
        assert limit in error["detail"]
    large = await edge.http.post(
        "/schedules", content=b" " * (1024**2 + 1), headers={"Content-Type": "application/json"}
    )
    assert (large.status_code, "1048576" in large.json()["detail"]) == (413, True), large.text


async def test_the_latest_firings_are_kept_and_all_of_them_are_shown(edge: Served) -> None:
    asked = await edge.http.post("/schedules", json=HOURLY)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    async with edge.database.transaction() as tx:
        columns = "$1::uuid, $2::timestamptz + n * interval '1h', 0, 2, 'succeeded', $1::uuid, ''"
        made = f"INSERT INTO firings SELECT {columns} FROM generate_series(0, 249) AS n"
        await tx.execute(made, UUID(asked.json()["id"]), began)
        await tx.execute(store.SQL["trim_firings"], [UUID(asked.json()["id"])], store.FIRINGS_KEPT)
        assert await tx.fetchval("SELECT count(*) FROM firings") == store.FIRINGS_KEPT
    shown = (await edge.http.get("/schedules/hourly")).json()["firings"]
    times = [datetime.fromisoformat(one["planned_at"]) for one in shown]
    assert times == [began + timedelta(hours=249 - number) for number in range(store.FIRINGS_KEPT)]


async def test_a_name_is_one_schedule_that_can_be_changed_and_found_by_it(edge: Served, reader_for: ReaderFor) -> None:
    requested = await reader_for("schedules.requested")
    answers = [await edge.http.post("/schedules", json=one) for one in (HOURLY, {**HOURLY, "every": "2h"})]
    assert {answer.json()["id"] for answer in answers} == {str(schedule_id_of("hourly"))}
    await eventually(lambda: len(requested.records) == 2)
    assert len({dict(record.headers)["ce_id"] for record in requested.records}) == 2
    assert (await edge.http.get("/schedules/hourly")).json()["name"] == "hourly"


@pytest.mark.parametrize("name", ["3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3f2504e04f8941d39a0c0305e82c3301"])
async def test_a_name_that_looks_like_an_id_is_found_by_it(edge: Served, name: str) -> None:
    made = (await edge.http.post("/schedules", json={**HOURLY, "schedule": name})).json()
    assert (await edge.http.get(f"/schedules/{name}")).json()["id"] == made["id"] == str(schedule_id_of(name))
    assert (await edge.http.delete(f"/schedules/{name}")).json()["id"] == made["id"]


async def test_every_operation_is_told_to_the_scheduler(edge: Served, reader_for: ReaderFor) -> None:
    """D23: no list, cancel or change in the original."""
    requested = await reader_for("schedules.requested")
    await edge.http.post("/schedules", json=HOURLY)
    for action in ("pause", "resume", "trigger"):
        assert (await edge.http.post(f"/schedules/hourly/{action}")).status_code == 202
    assert (await edge.http.delete("/schedules/hourly")).status_code == 202
    await eventually(lambda: len(requested.values) == 5)
    asked = [event["action"] for event in requested.values]
    assert asked == ["put", "pause", "resume", "trigger", "delete"]
    assert len({record.key for record in requested.records}) == 1


async def test_what_is_not_there_is_not_found(edge: Served) -> None:
    for place in ("nobody", str(uuid4()), "%2e%2e"):
        assert (await edge.http.get(f"/schedules/{place}")).status_code == 404, place
        assert (await edge.http.post(f"/schedules/{place}/pause")).status_code == 404
        assert (await edge.http.delete(f"/schedules/{place}")).status_code == 404
    assert (await edge.http.post("/schedules/hourly/explode")).status_code == 404


async def test_facts_make_the_view_and_its_history(gateway: httpx.AsyncClient, producer: Producer) -> None:
    schedule_id, job_id = schedule_id_of("hourly"), uuid4()
    began = datetime.now(UTC).replace(microsecond=0)

    async def tell(fact: str, second: int, state: str = "active", **more: Any) -> None:
        about = {"schedule_id": schedule_id, "fact": fact, "state": state, "at": began + timedelta(seconds=second)}
        event = ScheduleChanged.model_validate({**about, **more})
        await producer.send([outgoing(SCHEDULES_EVENTS, schedule_id, event)])

    async def shown(status: str, verdicts: list[str]) -> dict[str, Any] | None:
        found: dict[str, Any] = (await gateway.get("/schedules/hourly")).json()
        told = [one["verdict"] for one in found["firings"]]
        return found if found["schedule"] and (found["status"], told) == (status, verdicts) else None

    planned = began + timedelta(seconds=1)
    await tell("fired", 2, planned_at=planned, job_id=job_id, next_at=began + timedelta(hours=1))
    await tell("created", 0, schedule=HOURLY, name="hourly", next_at=planned)
    found = await eventually(lambda: shown("active", ["fired"]), 20)
    assert found is not None
    times = [datetime.fromisoformat(time) for time in found["next"]]
    assert times == [began + timedelta(hours=hour) for hour in range(1, 6)]
    assert (found["firings"][0]["late_ms"], UUID(found["firings"][0]["job_id"])) == (1000, job_id)
    await tell("succeeded", 5, planned_at=planned, job_id=job_id, next_at=times[0])
    await tell("skipped", 7, planned_at=planned + timedelta(seconds=5), reason="the last run is not over")
    await tell("removed", 9, "removed")
    await tell("paused", 8, "paused")
    found = await eventually(lambda: shown("removed", ["skipped", "succeeded"]), 20)
    assert found is not None and (found["next"], found["next_at"], found["schedule"]) == ([], None, HOURLY)
    assert (await gateway.get("/schedules")).json()["schedules"] == []
    removed = (await gateway.get("/schedules", params={"status": "removed", "limit": 1})).json()
    assert [one["name"] for one in removed["schedules"]] == ["hourly"]
    assert (await gateway.post("/schedules/hourly/trigger")).status_code == 404


async def test_a_source_that_an_older_release_wrote_down_otherwise_is_left_to_the_planner(edge: Served) -> None:
    old = b'{"source": "old", "vendor": "acme", "poll": {"request": {"path": "/items"}}, "since": "withdrawn"}'
    async with edge.database.transaction() as tx:
        await tx.execute("INSERT INTO sources (id, document) VALUES ('old', $1)", old)
    answer = await edge.http.post("/schedules", json={**SOON, "start": {"source": "old"}})
    assert answer.status_code == 202, answer.text
