"""The topic sink: what is told of which pages."""

import json
from collections import Counter
from itertools import chain
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.processor.sinks import topic
from services.processor.sinks.written import Written
from shared.events.catalogue import records_topic
from shared.events.envelope import CE_ID
from shared.ids import new_id
from tests.support.pages import TABLE, TOPIC, page

JOBS = [new_id() for _ in range(3)]


def test_an_event_carries_the_record_as_it_is() -> None:
    one = page([{"id": 7, "t": "€", "n": None}], sinks=(TOPIC,))
    [message] = topic.write([one], Written())[one.stored.task_id]
    event = records_topic("acme-orders").adapter.validate_json(message.value or b"")
    assert (message.topic, message.key, event.key) == ("records.acme-orders", "7", "7")
    assert (event.job_id, event.task_id) == (one.stored.job_id, one.stored.task_id)
    assert event.record == {"id": 7, "t": "€", "n": None}


def test_an_event_carries_the_correlation_id_of_its_job_if_there_is_one() -> None:
    for correlation_id in (new_id(), None):
        one = page([{"id": 7}], sinks=(TOPIC,), correlation_id=correlation_id)
        [message] = topic.write([one], Written())[one.stored.task_id]
        event = json.loads(message.value or b"")
        assert event.get("correlation_id", "none") == (str(correlation_id) if correlation_id else "none")


def test_pages_without_a_topic_are_not_told() -> None:
    assert topic.write([page([{"id": 1}], sinks=(TABLE,))], Written()) == {}


def test_beside_a_table_only_what_was_new_is_told() -> None:
    one = page([{"id": 1}, {"id": 2}], sinks=(TABLE, TOPIC))
    written = Written(Counter({one.stored.task_id: 1}), {one.stored.task_id: {"2"}})
    assert [message.key for message in topic.write([one], written)[one.stored.task_id]] == ["2"]


@given(st.lists(st.tuples(st.sampled_from(JOBS), st.lists(st.integers(0, 9), max_size=6)), max_size=6))
def test_a_record_is_told_once_in_a_job_and_keeps_its_id(given_pages: list[tuple[UUID, list[int]]]) -> None:
    pages = [page([{"id": key} for key in keys], job_id=job, sinks=(TOPIC,)) for job, keys in given_pages]
    messages = list(chain.from_iterable(topic.write(pages, Written()).values()))
    told = [(json.loads(message.value or b"")["job_id"], message.key) for message in messages]
    assert sorted(told) == sorted({(str(job), str(key)) for job, keys in given_pages for key in keys})
    again = list(chain.from_iterable(topic.write(pages[::-1], Written()).values()))
    assert {dict(one.headers)[CE_ID] for one in again} == {dict(one.headers)[CE_ID] for one in messages}
    assert len({dict(one.headers)[CE_ID] for one in messages}) == len(messages)
