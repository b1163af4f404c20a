"""What the edge knows of the configuration: refreshed once a second, after each change in this process, and before a
refusal. Names, to tell mistakes at once; hooks whole, to judge webhooks without asking the database."""

import asyncio

from services.callback_gateway.configure import store
from shared.database.pool import Database
from shared.errors import Problem, Unavailable
from shared.messaging.latest import read_latest
from shared.runtime.clock import monotonic
from shared.specification.hook import Hook
from shared.specification.job import DeliverJob, InvokeJob, JobSpecification, PollJob, RequestJob, SourceJob
from shared.specification.mistakes import unknown
from shared.specification.source import Source
from shared.specification.vendor import Vendor

_REFRESH_SECONDS = 1.0


class ConfigurationCache:
    """Names of vendors; sources, read when they are first asked for; hooks."""

    def __init__(self, database: Database) -> None:
        self.vendors: frozenset[str] = frozenset()
        self.sources: dict[str, store.SourceEntry] = {}
        self._read: dict[str, tuple[store.SourceEntry, Source | None]] = {}
        self._hooks: dict[str, Hook | None] = {}
        self._hook_texts: dict[str, bytes] | None = None
        self._database = database
        self._reading = asyncio.Lock()
        self._tried_at = self._read_at = 0.0

    async def refresh(self) -> float:
        """Read the configuration again; gives the seconds until the next time."""
        async with self._reading:
            await self._read_all()
        return _REFRESH_SECONDS

    async def refresh_to_refuse(self) -> None:
        """Read the configuration again, or share what began to be read after this was asked for: refusals that come in
        masses do not each read the whole of it, and know what another gateway accepted a moment ago all the same.

        Raises:
            Unavailable: the database is away; that is shared, too.
        """
        asked_at = monotonic()
        async with self._reading:
            if self._tried_at < asked_at:
                await self._read_all()
            elif self._read_at < self._tried_at:
                raise Unavailable("the configuration could not be read")

    async def _read_all(self) -> None:
        began = self._tried_at = monotonic()
        async with self._database.transaction() as tx:
            self.vendors, self.sources = await store.find_names(tx)
            texts = await store.find_hook_texts(tx)
        self._read = {name: known for name, known in self._read.items() if self.sources.get(name) == known[0]}
        before = self._hook_texts or {}
        self._hooks = {
            name: self._hooks[name] if before.get(name) == text else read_latest(Hook, name, text)
            for name, text in texts.items()
        }
        self._hook_texts = texts
        self._read_at = began

    async def hook(self, name: str) -> Hook | None:
        """The hook of that name. A database that is away leaves hooks as they were.

        Raises:
            Unavailable: no hooks were ever read, so that nobody can say; or this one cannot be read.
        """
        if self._hook_texts is None:
            await self.refresh()
        hook = self._hooks.get(name)
        if hook is None and name in self._hooks:
            raise Unavailable(f"the configuration of the hook {name} cannot be read")
        return hook

    async def source(self, name: str) -> Source | None:
        """The source of that name; nothing if there is none, or it cannot be read.

        Raises:
            Unavailable: it was not read yet, and the database is away.
        """
        entry = self.sources.get(name)
        if entry is None:
            return None
        if name not in self._read:
            async with self._database.transaction() as tx:
                text = await store.find_text(tx, "sources", name)
            self._read[name] = (entry, None if text is None else read_latest(Source, name, text))
        return self._read[name][1]

    async def vendor(self, name: str) -> Vendor | None:
        """The vendor of that name; nothing if there is none, or it cannot be read.

        Raises:
            Unavailable: the database is away.
        """
        async with self._database.transaction() as tx:
            text = await store.find_text(tx, "vendors", name)
        return None if text is None else read_latest(Vendor, name, text)

    async def missing(self, job: JobSpecification) -> Problem | None:
        """The vendor or source that a job names and nobody has configured."""
        problem = self._missing(job)
        if problem is None:
            return None
        await self.refresh_to_refuse()
        return self._missing(job)

    def kind_of(self, job: JobSpecification) -> str:
        """What a job does, as far as it is known here: that of a source unheard of is taken for a poll."""
        match job:
            case SourceJob(source=name):
                return self.sources[name].kind if name in self.sources else "poll"
            case InvokeJob():
                return "invoke"
            case RequestJob():
                return "request"
            case DeliverJob():
                return "deliver"
            case _:
                return "poll"

    def _missing(self, job: JobSpecification) -> Problem | None:
        match job:
            case SourceJob(source=name) if name not in self.sources:
                return unknown("source", name, self.sources)
            case PollJob(vendor=name) | InvokeJob(vendor=name) | RequestJob(vendor=name) if name not in self.vendors:
                return unknown("vendor", name, self.vendors)
            case DeliverJob(vendor=str(name)) if name not in self.vendors:
                return unknown("vendor", name, self.vendors)
            case _:
                return None
