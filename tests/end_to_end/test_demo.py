"""`make demo`, but for the starting of servers: what it shows, and what its last lines lead to."""

import asyncio
import re
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from infra.demo import __main__ as demo
from infra.local import record as records
from infra.local import services
from infra.local.beginning import PROJECT
from infra.local.ports import free_ports
from infra.local.stack import Addresses
from tests.support.cluster import Cluster, cluster
from tests.support.stack import Place

TOLD = (
    r"job\.completed_with_failures 11,900 of 12,000 records",
    r"records\.acme_items: 11,900 rows",
    r"The vendor saw at most ([1-3]?\d|40) requests in any second \(its contract allows 40\)",
    r"One page failed: attempts_exhausted",
    r"Asynchronous vendor jobs: 6 submits, 240 rows, job completed",
    r"One request, robustly made: the vendor's own answer: 200",
    r"Webhooks in and out: sent twice, answered 202, one job; a forged one got 401\..*signature valid",
    r"Requests for later: .* succeeded",
)


async def run(command: str, shown: str) -> int:
    """A command as it is shown, in a shell that was told where the stack is."""
    [told] = re.findall(r"^ +(export SLUICE_URL=.*)$", shown, re.MULTILINE)
    script = f"{told}; {command}".replace(".venv/bin/sluice", f"{shlex.quote(sys.executable)} -m shared.client.cli")
    process = await asyncio.create_subprocess_shell(script, cwd=PROJECT, stdout=subprocess.DEVNULL)
    return await asyncio.wait_for(process.wait(), 90)


def tell_where(running: Cluster, place: Place, root: Path) -> None:
    """The record that a stack of one's own would have."""
    kafka, controller, postgres = free_ports(3)
    gateway, simulator = (urlsplit(url).port or 0 for url in (running.gateway, running.simulator))
    ports = records.Ports(kafka=kafka, controller=controller, postgres=postgres, gateway=gateway, simulator=simulator)
    records.save(root, records.Record(kafka=place.kafka, postgres=place.admin_url, ports=ports))


async def test_the_demo_shows_one_of_each_and_how_to_go_on(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = StringIO()
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "console", Console(file=screen, width=200, highlight=False))
    monkeypatch.setattr(services, "DATABASE", topics.database)
    async with cluster(topics, tmp_path) as running:
        tell_where(running, topics, tmp_path)
        await demo.run(Addresses(topics.kafka, topics.admin_url))
        shown = screen.getvalue()
        for told in TOLD:
            assert re.search(told, shown), (told, shown)
        *looks, redrive = re.findall(r"^ +(\.venv/bin/sluice .*)$", shown, re.MULTILINE)
        for command in looks:
            assert await run(command, shown) == 0, command
        [heal] = re.findall(r"curl -X POST (\S+)", shown)
        assert (await running.http.post(heal)).status_code == 204
        assert await run(redrive, shown) == 0
        assert len(await running.records("acme_items")) == 12_000
