"""What a schedule sends: placeholders filled for their place, targets checked before they are due."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.errors import Invalid
from shared.events.firing import read_schedule, target_of
from shared.ids import derived_id
from shared.specification.schedule import Schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIME = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
ID, RUN = UUID(int=1), UUID(int=2)


def mistakes(**fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read_schedule({"every": "1h", **fields}, NOW)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def started(**start: Any) -> Any:
    times = {"cron": "0 3 * * *", "zone": "Europe/Berlin"}
    found = Schedule.model_validate({"schedule": "nightly", **times, "start": start})
    return target_of(found, ID, TIME, RUN)


def test_a_job_gets_its_time_in_the_zone_of_the_schedule_and_the_name() -> None:
    parameters = {"at": "{schedule.time}", "day": "{schedule.date}", "by": "{schedule.name}/{schedule.id}", "n": 1}
    target = started(source="acme-orders", parameters=parameters)
    assert (target.topic.name, target.key, target.id) == ("jobs.requested", str(RUN), derived_id("job.requested", RUN))
    assert target.event.id == RUN
    assert target.event.document["parameters"] == {
        "at": "2026-07-02T00:30:00+02:00",
        "day": "2026-07-02",
        "by": f"nightly/{ID}",
        "n": 1,
    }


@pytest.mark.parametrize(
    "start",
    [
        {"source": "acme-orders"},
        {"url": "https://api.example/items"},
        {"vendor": "acme", "poll": {"request": {"path": "/items"}}},
        {"vendor": "acme", "invoke": {"submit": {"json": "{callback.url}"}, "deadline": "1h"}, "input": [{"a": 1}]},
        {"vendor": "acme", "request": {"path": "/quote"}},
        {"deliver": "https://me.example/hook", "event": {"type": "x"}},
    ],
)
def test_every_kind_of_job_can_be_started(start: dict[str, Any]) -> None:
    found = read_schedule({"every": "1h", "start": start}, NOW)
    target = target_of(found, ID, TIME, RUN)
    assert (target.topic.name, target.event.document) == ("jobs.requested", start)  # type: ignore[attr-defined]


def test_what_stands_in_a_url_or_path_is_encoded() -> None:
    target = started(url="https://api.example/items?since={schedule.time}")
    assert target.event.document["url"] == "https://api.example/items?since=2026-07-02T00%3A30%3A00%2B02%3A00"


def test_what_people_call_a_path_in_json_of_their_own_is_none() -> None:
    time = "2026-07-02T00:30:00+02:00"
    request = {"method": "POST", "path": "/{schedule.date}:", "json": {"path": "{schedule.time}"}}
    target = started(vendor="acme", request=request, parameters={"url": "{schedule.time}"})
    found = target.event.document
    assert (found["request"]["json"], found["parameters"]) == ({"path": time}, {"url": time})
    deliver = started(deliver="https://me.example/{schedule.time}", event={"type": "x", "url": "{schedule.time}"})
    assert deliver.event.document["event"]["url"] == time
    assert deliver.event.document["deliver"] == "https://me.example/2026-07-02T00%3A30%3A00%2B02%3A00"


def test_the_placeholders_of_jobs_and_doubled_braces_are_left_for_the_planner() -> None:
    request = {"path": "/o/{parameters.id}", "query": {"a": "{{schedule.time}}", "b": "{schedule.date}"}}
    target = started(vendor="acme", poll={"request": request}, parameters={"id": 7})
    filled = target.event.document["poll"]["request"]
    assert filled == {"path": "/o/{parameters.id}", "query": {"a": "{{schedule.time}}", "b": "2026-07-02"}}


def test_any_event_for_an_open_topic_is_checked_with_its_placeholders_filled() -> None:
    publish = {"topic": "jobs.control", "key": "x", "event": {"job_id": "{schedule.id}", "action": "pause"}}
    found = read_schedule({"every": "1h", "publish": publish}, NOW)
    target = target_of(found, ID, TIME, RUN)
    assert (target.topic.name, target.key, target.id, target.event.job_id) == ("jobs.control", "x", RUN, ID)  # type: ignore[attr-defined]


OPEN: dict[str, dict[str, Any]] = {
    "jobs.requested": {"source": "orders"},
    "jobs.control": {"job_id": str(ID), "action": "pause"},
    "schedules.requested": {"schedule_id": str(ID), "action": "pause"},
    "notifications": {"subject": "x", "text": "y", "event": {}, "at": "{schedule.time}"},
}


@pytest.mark.parametrize("prefix", ["", "sluice.", "another-prefix."])
@pytest.mark.parametrize("topic", OPEN)
def test_the_topic_of_a_target_may_have_its_prefix(topic: str, prefix: str) -> None:
    publish = {"topic": f"{prefix}{topic}", "event": OPEN[topic]}
    found = read_schedule({"every": "1h", "publish": publish}, NOW)
    assert target_of(found, ID, TIME, RUN).topic.name == topic


@pytest.mark.parametrize(
    "topic",
    ["tasks.events", "fetch.requested", "vendors", "planner.dead", "nowhere", "sluice.vendors", ".jobs.requested"],
)
def test_only_topics_that_anyone_may_produce_to_are_targets(topic: str) -> None:
    assert "jobs.requested" in mistakes(publish={"topic": topic, "event": {}})["/publish/topic"]


def test_all_mistakes_are_told_with_their_places() -> None:
    assert mistakes(start={"sorce": "x"}) == {
        "/start": "expected one of: url; source; vendor with poll, invoke or request; deliver"
    }
    assert mistakes(start={"source": "x", "id": str(ID)}).keys() == {"/start/id"}
    assert mistakes(start={"source": "x", "parameters": {"a": "{schedule.tim}"}}).keys() == {"/start/parameters/a"}
    request = {"path": "/{parameters.id}", "json": {"a": ["{b}"], "c": "{{d}}", "e": "{schedule.time}"}}
    known = "known here: {parameters.ID}; a brace itself is written {{ or }}"
    assert mistakes(start={"vendor": "acme", "request": request, "parameters": {"ID": 1}}) == {
        "/start/request/path": f"unknown placeholder {{parameters.id}}; {known}",
        "/start/request/json/a/0": f"unknown placeholder {{b}}; {known}",
    }
    invoke = {"deadline": "1h", "submit": {"path": "/{input.a}", "json": "{callback.url}"}}
    invoke |= {"status": {"request": {"path": "/{vendor_job}/{input.b}"}}, "records": {"select": "body.{a: x}"}}
    start = {"vendor": "acme", "invoke": invoke, "input": [{"a": 1}]}
    assert mistakes(start=start).keys() == {"/start/invoke/status/request/path"}
    invoke = {"deadline": "1h", "submit": {"path": "/{vendor_job}"}, "abort": {"path": "/{callback.url}"}}
    start = {"vendor": "acme", "invoke": invoke, "input": [{"a": 1}]}
    assert mistakes(start=start).keys() == {"/start/invoke", "/start/invoke/submit/path", "/start/invoke/abort/path"}
    assert mistakes(publish={"topic": "jobs.control", "event": {"job_id": "x", "action": "pause"}}).keys() == {
        "/publish/event/job_id"
    }
    assert mistakes(zone="Berlin", start={"source": "x", "id": str(ID), "inptu": []}).keys() == {
        "/zone",
        "/start/id",
        "/start/inptu",
    }
    assert mistakes(every="soon", start={1: 2}).keys() == {"/every", "/start/1", "/start"}
    assert mistakes(every="soon", start=7).keys() == {"/every", "/start"}
    assert "" in mistakes(start={"source": "x"}, publish={"topic": "jobs.control", "event": {}})


@pytest.mark.parametrize("name", ["id", "correlation_id"])
def test_a_job_has_its_ids_from_its_firing_and_its_schedule(name: str) -> None:
    assert list(mistakes(start={"source": "acme-orders", name: str(RUN)})) == [f"/start/{name}"]


@pytest.mark.parametrize(
    ("topic", "event", "pointer"),
    [
        ("jobs.requested", {}, ""),
        ("jobs.requested", {"urll": 1}, ""),
        ("jobs.requested", {"vendor": "acme", "poll": {"pages": {"style": "nonsense"}}}, "/poll/pages/style"),
        ("jobs.requested", {"vendor": "acme", "request": {"path": "/{parameters.id}"}}, "/request/path"),
        ("schedules.requested", {}, "/schedule"),
        ("schedules.requested", {"action": "pause"}, "/schedule_id"),
        ("schedules.requested", {"schedule": {"cron": "61 * * * *", "start": {"source": "x"}}}, "/schedule/cron"),
        ("schedules.requested", {"schedule": {"every": "1h", "start": {"sorce": "x"}}}, "/schedule/start"),
        ("notifications", {"subject": "x", "text": "y", "event": {}, "at": "noon"}, "/at"),
    ],
)
def test_what_an_event_for_an_open_topic_asks_for_is_read_as_its_receiver_will(
    topic: str, event: dict[str, Any], pointer: str
) -> None:
    publish = {"topic": topic, "event": event}
    assert mistakes(publish=publish).keys() == {f"/publish/event{pointer}"}
    assert mistakes(zone="Berlin", publish=publish).keys() == {"/zone", f"/publish/event{pointer}"}


def test_the_times_of_a_schedule_that_is_published_are_judged_as_seen_when_it_is() -> None:
    """Here a month from now: what lies before that will be past, and ten years from then are within reach."""
    once = {"every": None, "triggerAt": "2026-02-01T00:00:00Z"}

    def publish(at: str, **more: Any) -> dict[str, Any]:
        inner = {"triggerAt": at, "start": {"source": "x"}}
        return {"topic": "schedules.requested", "event": {"schedule": inner, **more}}

    read = {**once, "publish": publish("2036-01-20T00:00:00Z")}
    assert read_schedule(read, NOW)
    read = {**once, "publish": publish("2026-01-20T00:00:00Z", asked_at="2026-01-01T00:00:00Z")}
    assert read_schedule(read, NOW), "the request says that it was made in time"
    past = mistakes(**once, publish=publish("2026-01-20T00:00:00Z"))
    assert past.keys() == {"/publish/event/schedule/triggerAt"}


def test_a_schedule_that_is_published_publishes_none_itself() -> None:
    document: dict[str, Any] = {"every": "1h", "start": {"source": "x"}}
    for _ in range(2):
        document = {"every": "1h", "publish": {"topic": "sluice.schedules.requested", "event": {"schedule": document}}}
    assert mistakes(**document).keys() == {"/publish/event/schedule/publish/topic"}


def test_an_event_is_not_rescheduled() -> None:
    """No job of it could fail; that it was missed can be reported."""
    publish = {"topic": "jobs.control", "event": {"job_id": str(ID), "action": "pause"}}
    again = {"reschedule": {"after": "1m"}, "notify": [{"topic": True}]}
    assert mistakes(publish=publish, on_failure=again).keys() == {"/on_failure/reschedule"}
    assert read_schedule({"every": "1h", "publish": publish, "on_failure": {"notify": again["notify"]}}, NOW)
