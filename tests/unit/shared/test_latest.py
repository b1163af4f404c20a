"""Of a batch of configuration the last word on each name is kept, whatever came before it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.events.configuration import HookConfigured, SourceConfigured, VendorConfigured, named
from shared.events.envelope import Incoming, Removed
from shared.messaging.latest import Latest
from shared.specification.hook import Hook
from shared.specification.source import Source
from shared.specification.vendor import Vendor

NOTHING: Any = None
POLL = {"request": {"path": "/items"}}


def vendor(name: str, host: str) -> VendorConfigured:
    return VendorConfigured(vendor=Vendor(vendor=name, base_url=f"https://{host}.example"))


class Statements:
    """What would be executed."""

    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}
        self.gone: list[str] = []

    async def execute(self, statement: str, names: list[str], documents: Sequence[bytes] = ()) -> None:
        if statement == "delete":
            self.gone += names
        else:
            found = [Vendor.model_validate_json(document) for document in documents]
            self.hosts |= {name: str(one.base_url) for name, one in zip(names, found, strict=True)}


async def kept(*events: VendorConfigured | Removed) -> tuple[dict[str, str], list[str]]:
    seen: Any = Statements()
    batch = [Incoming(event, UUID(int=number), 0, NOTHING) for number, event in enumerate(events)]
    assert await Latest("upsert", "delete").handle(seen, batch) == []
    return seen.hosts, seen.gone


async def test_the_last_word_counts() -> None:
    events: list[VendorConfigured | Removed] = [
        vendor("a", "one"),
        vendor("b", "one"),
        vendor("a", "two"),
        Removed(key="b"),
        Removed(key="c"),
    ]
    assert await kept(*events) == ({"a": "https://two.example"}, ["b", "c"])
    assert await kept(*reversed(events)) == ({"a": "https://one.example", "b": "https://one.example"}, ["c"])


def test_each_kind_is_known_by_its_own_name() -> None:
    source = Source.model_validate({"source": "orders", "vendor": "acme", "poll": POLL})
    assert named(vendor("acme", "one"))[0] == "acme"
    assert named(SourceConfigured(source=source)) == ("orders", source)
    assert named(HookConfigured(hook=Hook(hook="changed")))[0] == "changed"
