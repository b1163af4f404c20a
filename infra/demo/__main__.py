"""The demo: a vendor that errs, a contract that holds, a progress bar, records, and one page left to be redriven."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import yaml
from rich.console import Console
from rich.table import Table

from infra.demo.tour import Tour
from infra.local import services, stack
from infra.local.beginning import PROJECT
from infra.local.errors import StackError
from infra.local.stack import Addresses
from shared.api_models import Job
from shared.client.client import SluiceClient
from shared.client.connection import ApiError
from shared.client.progress import watch

ROOT = PROJECT / ".sluice"
TEMPLATE = Path(__file__).with_name("acme.yaml")
FAILING_PAGE = r"^/items\?offset=3000&"
VENDOR: dict[str, Any] = {
    "records": 12_000,
    "error_share": 0.06,
    "rate_limit_share": 0.01,
    "delay_seconds": [0.005, 0.05],
    "contract": {"requests": 40, "per_seconds": 1.0},
    "fail_paths": [{"match": FAILING_PAGE, "status": 500}],
}

console = Console(highlight=False, soft_wrap=True)


async def run(addresses: Addresses) -> None:
    """Configure, ask, follow, show."""
    gateway, simulator = services.gateway_url(ROOT), services.simulator_url(ROOT)
    async with SluiceClient(gateway) as client:
        await _play_vendor(simulator)
        applied = TEMPLATE.read_text("utf-8").replace("{simulator}", simulator)
        (ROOT / "acme.yaml").write_text(applied, "utf-8")
        vendor, source = yaml.safe_load_all(applied)
        await client.put("vendors", "acme", vendor)
        await client.put("sources", "acme-items", source)
        console.print(
            "\nThe vendor [bold]acme[/] allows 40 requests a second and answers one in fourteen with an error.\n"
            "Its 12,000 items, in pages of 100, are on their way into Postgres:\n"
        )
        reference = await client.submit({"source": "acme-items"})
        job = await watch(client, reference.id, console)
        await _show(client, job, addresses, simulator)
        await Tour(client, ROOT, VENDOR, console).run()
        _next(job, simulator)


async def _play_vendor(simulator: str) -> None:
    async with httpx.AsyncClient(base_url=simulator, trust_env=False) as http:
        (await http.put("/_control/vendors/acme", json=VENDOR)).raise_for_status()
        (await http.post("/_control/vendors/acme/reset")).raise_for_status()


async def _show(client: SluiceClient, job: Job, addresses: Addresses, simulator: str) -> None:
    """The records, the vendor's own account, the page that failed, and what to try next."""
    connection = await asyncpg.connect(services.database_url(addresses))
    rows = await connection.fetch("SELECT key, record FROM records.acme_items ORDER BY key::bigint LIMIT 3")
    count = await connection.fetchval("SELECT count(*) FROM records.acme_items")
    await connection.close()
    table = Table("key", "record", title=f"records.acme_items: {count:,} rows")
    for row in rows:
        table.add_row(row["key"], json.dumps(json.loads(row["record"])))
    console.print(table)
    async with httpx.AsyncClient(base_url=simulator, trust_env=False) as http:
        truth = (await http.get("/_truth/acme")).json()
    highest = truth["highest_in_any_second"]["all"]
    console.print(f"The vendor saw at most [bold]{highest}[/] requests in any second (its contract allows 40).")
    [letter, *_] = [*await client.dead_letters(job_id=job.id), None]
    if letter is not None:
        error = letter.error.removeprefix(f"{letter.reason}: ")
        console.print(f"One page failed: [bold]{letter.reason}[/] ({error}).")


def _next(job: Job, simulator: str) -> None:
    console.print(
        "\n[bold]Next[/]\n"
        f"  {services.command_environment(ROOT)}\n"
        f"  .venv/bin/sluice status {job.id}\n"
        "  .venv/bin/sluice dead-letters\n"
        f"  curl -X POST {simulator}/_control/vendors/acme/heal\n"
        f"  .venv/bin/sluice redrive {job.id} && .venv/bin/sluice watch {job.id}\n"
        "  make psql ARGS='-d sluice -c \"SELECT count(*) FROM records.acme_items\"'\n"
        "  make stop"
    )


def main() -> None:
    """Start, run, show; the stack goes on running for the next commands."""
    began = time.monotonic()
    console.print("Starting Kafka, Postgres, five services and a vendor simulator …")
    try:
        addresses = services.up(ROOT, simulator=True)
        console.print(f"… the servers answer after {time.monotonic() - began:.1f} s.")
        asyncio.run(run(addresses))
    except (StackError, ApiError, TimeoutError, httpx.HTTPError) as error:
        console.print(f"demo: {error or type(error).__name__}; the logs are in {ROOT / 'logs'}", style="red")
        sys.exit(1)
    except KeyboardInterrupt:
        if stack.runs(ROOT):
            console.print("\nStopped looking. What was started goes on until make stop.")
        else:
            console.print("\nStopped. Nothing was left running.")
        sys.exit(130)
    console.print(f"\nThe demo took {time.monotonic() - began:.0f} s. Everything goes on running until make stop.")


if __name__ == "__main__":
    main()
