"""Three brokers, of which one is killed: what was acknowledged is there, and is handled once."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from infra.local.kafka import broker, jars
from infra.local.kafka.java import find_java
from infra.local.ports import free_ports
from infra.local.processes import Processes
from infra.local.record import Ports
from shared.errors import Unavailable
from shared.events.catalogue import DEAD, JOBS_CONTROL, JOBS_EVENTS, RETRIES
from shared.events.topic import Topic
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.messaging.topics import Profile, create_topics
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import Seen, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

pytestmark = [pytest.mark.chaos]

NODES = (1, 2, 3)
VICTIM = 2
"""Node 1 is the controller as well."""
PARTITIONS, AT_ONCE, AFTERWARDS = 6, 30, 300
OVER_THREE = """
node.id={node}
process.roles={roles}
controller.quorum.voters=1@127.0.0.1:{controller}
offsets.topic.replication.factor=3
"""
CLUSTER = "SluiceOfThreeBrokers00"


class Brokers:
    """Three of them, with small heaps."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ports = free_ports(len(NODES) + 1)
        self._java = find_java(os.environ)
        self._cache = jars.choose_cache(root, os.environ)
        self._environment = broker._environment(jars.provide(self._cache))
        self.processes = Processes(root)

    @property
    def addresses(self) -> str:
        """The bootstrap servers."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports[:-1])

    async def start(self) -> None:
        """Format and start them all, and wait until they know each other."""
        for node, port in zip(NODES, self._ports, strict=False):
            ports = Ports(kafka=port, controller=self._ports[-1], postgres=0, gateway=0, simulator=0)
            text = broker._properties(self._root / f"log-{node}", ports)
            if node != 1:
                text = text.replace(f",CONTROLLER://127.0.0.1:{ports.controller}", "")
            roles = "broker,controller" if node == 1 else "broker"
            text += OVER_THREE.format(node=node, roles=roles, controller=ports.controller)
            self._properties(node).write_text(text)
        await asyncio.gather(*(asyncio.to_thread(self._format, node) for node in NODES))
        for node in NODES:
            argv = self._argv("kafka.Kafka", str(self._properties(node)))
            self.processes.start(f"broker-{node}", argv, self._environment)
        for port in self._ports[:-1]:
            await eventually(partial(broker.takes_requests, f"127.0.0.1:{port}"), 60)

    def _properties(self, node: int) -> Path:
        return self._root / f"server-{node}.properties"

    def _format(self, node: int) -> None:
        what = ("format", "--cluster-id", CLUSTER, "--config", str(self._properties(node)))
        argv = self._argv("kafka.tools.StorageTool", *what)
        subprocess.run(argv, env=self._environment, check=True, capture_output=True)

    def _argv(self, *what: str) -> Sequence[str]:
        archive = [one for one in broker._class_archive(self._java, self._cache, self._root) if "AtExit" not in one]
        return [str(self._java.path), *broker._options(), *archive, *what]


@pytest.fixture
async def brokers(tmp_path: Path) -> AsyncIterator[Brokers]:
    made = Brokers(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        await asyncio.to_thread(made.processes.stop_all)


async def test_what_was_acknowledged_outlives_its_leader(
    place: Place, brokers: Brokers, database_for: DatabaseFor
) -> None:
    over_three, database, seen = replace(place, kafka=brokers.addresses), await database_for("planner"), Seen()
    needed: list[Topic[Any]] = [JOBS_CONTROL, JOBS_EVENTS, RETRIES["planner"], DEAD["planner"]]
    profile = Profile(partitions=PARTITIONS, replication=len(NODES))

    async def are_there() -> bool:
        """Brokers that answer may not count yet, as replicas of a topic."""
        await create_topics(brokers.addresses, place.prefix, needed, profile)
        return True

    await eventually(are_there, 20)
    producer, acknowledged = Producer(brokers.addresses, prefix=place.prefix), set[UUID]()
    answers = TopicReader(brokers.addresses, f"{place.prefix}.jobs.events")
    dead = TopicReader(brokers.addresses, f"{place.prefix}.planner.dead")
    over = asyncio.Event()

    async def ask() -> None:
        while not over.is_set():
            jobs = [new_id() for _ in range(AT_ONCE)]
            try:
                await producer.send([order(job) for job in jobs])
            except Unavailable:
                continue
            acknowledged.update(jobs)

    await asyncio.gather(producer.open(), answers.open(), dead.open())
    async with shell(seen, over_three, database, producer):
        asking = asyncio.create_task(ask())
        await eventually(lambda: len(answers.records) >= AT_ONCE, 30)
        await asyncio.to_thread(brokers.processes.kill, f"broker-{VICTIM}", signal.SIGKILL)
        enough = len(acknowledged) + AFTERWARDS
        await eventually(lambda: len(acknowledged) >= enough, 40)
        over.set()
        await asking
        await eventually(lambda: {UUID(value["job_id"]) for value in answers.values} >= acknowledged, 30)
    await asyncio.gather(producer.close(), answers.close(), dead.close())
    assert len(seen.jobs) == len(set(seen.jobs))
    assert not dead.records
