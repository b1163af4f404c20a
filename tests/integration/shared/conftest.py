"""A broker that lets nobody in without a login, and heeds access control lists."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.kafka import broker, jars
from infra.local.kafka.java import find_java
from infra.local.ports import free_ports
from infra.local.processes import Processes
from infra.local.record import Ports
from shared.brokers import Brokers, Mechanism, Protocol
from tests.support.eventually import wait_until

USER, PASSWORD = "sluice", "canary of the broker"
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
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
"""
CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)


@dataclass(frozen=True)
class Guarded:
    """Where it answers those who log in, with encryption and without, and without a login those who may do anything."""

    plain: str
    login: str
    tls: str
    ca_file: Path

    def by(self, protocol: Protocol, mechanism: Mechanism = "SCRAM-SHA-512") -> Brokers:
        """The way in by a protocol."""
        tls = protocol == "SASL_SSL"
        ca_file = str(self.ca_file) if tls else ""
        return Brokers(self.tls if tls else self.login, protocol, mechanism, USER, "env:TEST_KAFKA_PASSWORD", ca_file)


@pytest.fixture(scope="session")
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
        yield Guarded(f"127.0.0.1:{plain}", f"127.0.0.1:{login}", f"127.0.0.1:{tls}", ca_file)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password of the broker's user, where `Brokers` refers to it."""
    monkeypatch.setenv("TEST_KAFKA_PASSWORD", PASSWORD)
