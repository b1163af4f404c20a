"""A Kafka that lets nobody in without a login, with and without encryption: our own clients, against a real broker."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.kafka import broker, jars
from infra.local.kafka.java import find_java
from infra.local.ports import free_ports
from infra.local.processes import Processes
from infra.local.record import Ports
from shared.brokers import Brokers, Mechanism, Protocol
from shared.client.replay import Wanted, replay
from shared.errors import Unavailable
from shared.events.catalogue import DEAD, JOBS_CONTROL, JOBS_EVENTS, RETRIES
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.consumer import Shell
from shared.messaging.handler import Consumer
from shared.messaging.producer import Producer
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.topics import Profile, check_topics, create_topics
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.eventually import eventually, wait_until
from tests.integration.shared.shells import Seen, order
from tests.integration.shared.test_start import start
from tests.stack import Place

USER, PASSWORD, WRONG = "sluice", "canary of the broker", "canary that is wrong"
NEEDED: Sequence[Topic[Any]] = (JOBS_CONTROL, JOBS_EVENTS, RETRIES["planner"], DEAD["planner"])
PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
LISTENERS = ",".join(f"{name}://127.0.0.1:{{{name}}}" for name in ("PLAINTEXT", "CONTROLLER", "LOGIN", "TLS"))
GUARDED = f"""
listeners={LISTENERS}
advertised.listeners={LISTENERS}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config={PLAIN}
listener.name.login.scram-sha-512.sasl.jaas.config={SCRAM}
listener.name.tls.plain.sasl.jaas.config={PLAIN}
listener.name.tls.scram-sha-512.sasl.jaas.config={SCRAM}
ssl.keystore.type=PEM
ssl.keystore.location={{key}}
"""
CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)


@dataclass(frozen=True)
class Guarded:
    """Where it answers those who log in, with encryption and without."""

    login: str
    tls: str
    ca_file: Path

    def by(self, protocol: Protocol, mechanism: Mechanism = "SCRAM-SHA-512") -> Brokers:
        """The way in by a protocol."""
        tls = protocol == "SASL_SSL"
        ca_file = str(self.ca_file) if tls else ""
        return Brokers(self.tls if tls else self.login, protocol, mechanism, USER, "env:TEST_KAFKA_PASSWORD", ca_file)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A broker of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the broker's certificate, is not on this machine")
    root = tmp_path_factory.mktemp("guarded")
    ca_file, key_file, both = root / "ca.pem", root / "key.pem", root / "both.pem"
    subprocess.run([*CERTIFICATE, "-keyout", key_file, "-out", ca_file], check=True, capture_output=True)
    both.write_text(key_file.read_text() + ca_file.read_text())
    plain, controller, login, tls = free_ports(4)
    text = broker._properties(
        root / "log", Ports(kafka=plain, controller=controller, postgres=0, gateway=0, simulator=0)
    )
    text += GUARDED.format(PLAINTEXT=plain, CONTROLLER=controller, LOGIN=login, TLS=tls, key=both)
    properties = root / "server.properties"
    properties.write_text(text)
    java, cache = find_java(os.environ), jars.choose_cache(root, os.environ)
    environment = broker._environment(jars.provide(cache))
    archive = [one for one in broker._class_archive(java, cache, root) if "AtExit" not in one]
    program = [str(java.path), *broker._options(), *archive]
    scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    form = ("format", "--cluster-id", "SluiceBehindALogin0000", "--config", str(properties), "--add-scram", scram)
    subprocess.run([*program, "kafka.tools.StorageTool", *form], env=environment, check=True, capture_output=True)
    with Processes(root) as processes:
        processes.start("broker", [*program, "kafka.Kafka", str(properties)], environment)
        wait_until(lambda: asyncio.run(broker.takes_requests(f"127.0.0.1:{plain}")), 60)
        yield Guarded(f"127.0.0.1:{login}", f"127.0.0.1:{tls}", ca_file)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", PASSWORD)


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
