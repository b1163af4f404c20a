"""Vendors, sources and hooks."""

from collections.abc import Mapping
from typing import Any, Literal

from shared.client.connection import Connection

Kind = Literal["vendors", "sources", "hooks"]


class Configuration(Connection):
    """What the gateway knows by name."""

    async def put(self, kind: Kind, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace a vendor, source or hook; gives it as it is in force."""
        return self._read_document(await self._call("PUT", f"/{kind}/{name}", json=document))

    async def get(self, kind: Kind, name: str) -> dict[str, Any]:
        """A vendor, source or hook."""
        return self._read_document(await self._call("GET", f"/{kind}/{name}"))

    async def delete(self, kind: Kind, name: str) -> None:
        """Delete a vendor, source or hook."""
        await self._call("DELETE", f"/{kind}/{name}")

    async def list_all(self, kind: Kind) -> list[dict[str, Any]]:
        """All vendors, sources or hooks."""
        found = self._part(await self._call("GET", f"/{kind}"), kind)
        return [self._read_document(one) for one in found]
