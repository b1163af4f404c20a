"""Clients that walk through the vendor simulator over real sockets, in every pagination style."""

import hashlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from infra.simulator import Simulator, SimulatorConfig, VendorConfig

pytestmark = pytest.mark.asyncio
RECORDS = 230


def next_offset(path: str, body: Any) -> str | None:
    offset = int(path.partition("offset=")[2] or 0) + len(body["items"])
    return f"/acme/items?limit=50&offset={offset}" if offset < body["meta"]["total"] else None


def next_page(path: str, body: Any) -> str | None:
    return f"/acme/pages?per_page=50&page={body['page'] + 1}" if body["page"] < body["pages"] else None


def next_cursor(path: str, body: Any) -> str | None:
    return f"/acme/cursor?limit=50&cursor={body['next']}" if body["next"] else None


def next_url(path: str, body: Any) -> str | None:
    return str(body["next"]) if body["next"] else None


def next_key(path: str, body: Any) -> str | None:
    return f"/acme/keyset?limit=50&after_id={body['data'][-1]['id']}" if body["has_more"] else None


async def walk(client: aiohttp.ClientSession, path: str, follow: Callable[[str, Any], str | None] | None) -> list[int]:
    """Ids of all pages from a path on; without `follow` by the Link header."""
    ids: list[int] = []
    url: str | None = path
    while url:
        async with client.get(url) as answer:
            body = await answer.json()
            rows = body if follow is None else next(rows for rows in body.values() if isinstance(rows, list))
            ids += [row["id"] for row in rows]
            url = (
                follow(url, body) if follow else (str(answer.links["next"]["url"]) if "next" in answer.links else None)
            )
    return ids


@pytest.mark.parametrize(
    ("path", "follow"),
    [
        ("items?limit=50", next_offset),
        ("pages?per_page=50", next_page),
        ("cursor?limit=50", next_cursor),
        ("next?limit=50", next_url),
        ("link?per_page=50", None),
        ("keyset?limit=50", next_key),
    ],
)
async def test_every_style_leads_to_every_record_once_and_the_truth_says_so(
    path: str, follow: Callable[[str, Any], str | None] | None
) -> None:
    simulator = Simulator(SimulatorConfig(vendors={"acme": VendorConfig(records=RECORDS)}))
    async with simulator.serve() as base_url, aiohttp.ClientSession(base_url) as client:
        assert await walk(client, f"/acme/{path}", follow) == list(range(1, RECORDS + 1))
        async with client.get("/_truth/acme") as answer:
            told = await answer.json()
        assert told["records"] == {
            "deliveries": RECORDS,
            "distinct": RECORDS,
            "min_id": 1,
            "max_id": RECORDS,
            "sha256": hashlib.sha256(b"\1" * RECORDS).hexdigest(),
            "uncounted": 0,
        }
        assert (told["pages"]["distinct"], told["pages"]["repeated"], told["in_flight"]) == (5, 0, 0)
