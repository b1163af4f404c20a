"""Kafka clients of one process of which some are behind a piece of network that a test can break."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from aiokafka import client

from tests.support.proxy import Proxy

_BEHIND: ContextVar[Proxy | None] = ContextVar("behind", default=None)
"""What the Kafka connections that are made from here lead through."""


@contextmanager
def behind(proxy: Proxy) -> Iterator[None]:
    """Clients that are opened in here reach the broker through the proxy only."""
    token = _BEHIND.set(proxy)
    try:
        yield
    finally:
        _BEHIND.reset(token)


@asynccontextmanager
async def proxy_to_kafka(bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A proxy before the broker, for `behind`. A broker tells its clients its own address, so the clients' way of
    making a connection is what leads them to the proxy."""
    host, _, port = bootstrap_servers.partition(",")[0].rpartition(":")
    made, create_conn = Proxy(host, int(port)), client.create_conn

    async def through(host: str, port: int, **options: Any) -> Any:
        proxy = _BEHIND.get()
        return await create_conn(host, proxy.port if proxy else port, **options)

    await made.open()
    monkeypatch.setattr(client, "create_conn", through)
    yield made
    await made.close()
