"""A Kafka that lets nobody in without a login, with and without encryption: our own clients, against a real broker."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.brokers import Mechanism, Protocol
from shared.client.replay import Wanted, replay
from shared.errors import Unavailable
from shared.events.catalogue import DEAD, JOBS_CONTROL, JOBS_EVENTS, RETRIES
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.handler import Consumer
from shared.messaging.producer import Producer
from shared.messaging.shell import Shell
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.topics import Profile, check_topics, create_topics
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.shared.conftest import USER, Guarded
from tests.integration.shared.shells import Seen, order
from tests.integration.shared.test_start import start
from tests.support.eventually import eventually
from tests.support.stack import Place

WRONG = "canary that is wrong"
NEEDED: Sequence[Topic[Any]] = (JOBS_CONTROL, JOBS_EVENTS, RETRIES["planner"], DEAD["planner"])


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [("SASL_PLAINTEXT", "PLAIN"), ("SASL_PLAINTEXT", "SCRAM-SHA-512"), ("SASL_SSL", "SCRAM-SHA-512")],
)
async def test_whoever_logs_in_produces_and_consumes(
    place: Place, guarded: Guarded, database_for: DatabaseFor, protocol: Protocol, mechanism: Mechanism
) -> None:
    brokers, began = guarded.by(protocol, mechanism), utc_now()
    await create_topics(brokers, place.prefix, NEEDED, Profile(partitions=1))
    await check_topics(brokers, place.prefix, NEEDED)
    producer, seen = Producer(brokers, prefix=place.prefix), Seen()
    await producer.open()
    consumer, database = Consumer("control", JOBS_CONTROL, seen.handle), await database_for("planner")
    subscriptions = Subscriptions(brokers, [Shell("planner", place.prefix, consumer, database, producer)])
    await subscriptions.open()
    try:
        orders = [order(new_id()) for _ in range(3)]
        await producer.send(orders)
        await eventually(lambda: len(seen.jobs) == len(orders))
        wanted = Wanted("jobs.control", "jobs.control", began, utc_now() + timedelta(minutes=1))
        assert (await replay(brokers, place.prefix, wanted)).records == len(orders)
        await eventually(lambda: len(seen.jobs) == 2 * len(orders))
    finally:
        await subscriptions.close()
        await producer.close()


async def test_without_the_right_password_it_waits_for_the_infrastructure_and_tells_nobody_the_password(
    place: Place, payloads: Path, guarded: Guarded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", WRONG)
    for brokers in (guarded.by("SASL_PLAINTEXT", "PLAIN"), guarded.by("SASL_PLAINTEXT")):
        with pytest.raises(Unavailable) as raised:
            await Producer(brokers, prefix=place.prefix).open()
        assert WRONG not in str(raised.value)
    assert "uthentication" in caplog.text
    assert WRONG not in caplog.text
    login = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "USERNAME": USER, "PASSWORD": "env:TEST_KAFKA_PASSWORD"}
    variables = {f"SLUICE_KAFKA_{name}": value for name, value in login.items()}
    variables |= {"SLUICE_KAFKA_BOOTSTRAP_SERVERS": guarded.login, "SLUICE_LOG_LEVEL": "DEBUG"}
    code, log, _ = await start(place, payloads, **variables)
    assert (code, "service.cannot_start" in log, "uthentication" in log) == (1, True, True), log
    assert WRONG not in log


async def test_a_certificate_of_nobody_known_is_refused(place: Place, guarded: Guarded) -> None:
    stranger = replace(guarded.by("SASL_SSL"), ca_file="")
    with pytest.raises(Unavailable):
        await Producer(stranger, prefix=place.prefix).open()
