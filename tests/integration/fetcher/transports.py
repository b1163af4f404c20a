"""Requests that the transport sends to the site, and a name server of its own."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.fetcher.call.failures import CallFailed
from services.fetcher.call.request import HttpRequest
from services.fetcher.call.transport import Transport
from shared.specification.vendor import Vendor
from tests.integration.fetcher.site import FREE, Site

ALLOW = {"private_addresses": "allow"}


class Names(AbstractResolver):
    """A name server of our own; every name not in its book hangs."""

    def __init__(self) -> None:
        self.book: dict[str, str | list[str]] = {}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What the book says now."""
        self.asked.append(host)
        if host not in self.book:
            await asyncio.Event().wait()
        found = self.book[host]
        return [_resolved(host, port, address) for address in ([found] if isinstance(found, str) else found)]

    async def close(self) -> None:
        """Nothing to close."""


class SlowNames(Names):
    """A name server that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.book["slow.test"] = "127.0.0.1"
        self.answers = asyncio.Event()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Where it is, in the end."""
        found = await super().resolve(host, port, family)
        await self.answers.wait()
        return found


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=0)


def vendor(site: Site, **fields: Any) -> Vendor:
    """The site as a vendor that may be private, with short times."""
    times = {"connect": "2s", "first_byte": "2s", "total": "5s"} | fields.pop("timeouts", {})
    return Vendor.model_validate({"vendor": "x", "base_url": site.url, "network": ALLOW, "timeouts": times, **fields})


async def call(
    transport: Transport, site: Site, path: str, *, url: str = "", egress: str = "direct", **fields: Any
) -> tuple[int, dict[str, str], bytes]:
    """What the site answers to a request; its fields but the method and headers are the vendor's."""
    method = fields.pop("method", "GET")
    headers = {"authorization": "Bearer s3cret", "accept-encoding": "gzip"} | fields.pop("headers", {})
    request = HttpRequest(method, url or site.url + path, headers, None)
    async with transport.send(request, vendor(site, **fields), egress, FREE) as answer:
        return answer.status, answer.headers, await answer.read()


async def failing(transport: Transport, site: Site, path: str, **fields: Any) -> CallFailed:
    """How such a request fails."""
    with pytest.raises(CallFailed) as failed:
        await call(transport, site, path, **fields)
    return failed.value
