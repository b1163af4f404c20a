"""Name look-ups, and which of the addresses found may be called."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.runtime.clock import monotonic
from shared.specification.addresses import Networks, is_public

_LOOKUP_THREADS = 32
_LOOKUP_WAITS_SECONDS = 5.0
"""A look-up waits so long for a thread: as long as `timeouts.connect` is by default."""

_Key = tuple[str, int, socket.AddressFamily]

BLOCKED = "the name resolves to an address that is not public, nor in a network that this vendor may be in"


class Blocked(OSError):
    """The address that a name resolved to is not one that this vendor may have."""

    def __init__(self) -> None:
        super().__init__(BLOCKED)


class Resolver(AbstractResolver):
    """Looks names up on threads of its own, so a name server that hangs delays no other work. A name is looked up once
    at a time. A look-up that got no thread for so long that its calls have ended is dropped."""

    def __init__(self, threads: int = _LOOKUP_THREADS, clock: Callable[[], float] = monotonic) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="names")
        self._clock = clock
        self._under_way: dict[_Key, asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; `OSError` when there are none."""
        key = host, port, family
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._resolve(host, port, family))
            self._under_way[key].add_done_callback(partial(self._ended, key))
        look_up = self._under_way[key]
        # Unlike `asyncio.shield`, this logs nothing if the caller is cancelled and the look-up fails after that.
        await asyncio.wait([look_up])
        return look_up.result()

    async def _resolve(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        dropped_at = self._clock() + _LOOKUP_WAITS_SECONDS

        def look_up() -> Sequence[aiohttp.AddrInfoType]:
            if self._clock() > dropped_at:
                raise socket.gaierror(socket.EAI_AGAIN, "too many other names were being looked up")
            return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)

        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except UnicodeError:
            raise OSError("the host is no name that could be looked up") from None
        return [_resolved(host, port, info) for info in found]

    def _ended(self, key: _Key, look_up: asyncio.Task[list[ResolveResult]]) -> None:
        """Look at the outcome, or asyncio logs the error of a look-up whose calls have all ended."""
        del self._under_way[key]
        if not look_up.cancelled():
            look_up.exception()

    async def close(self) -> None:
        """Start no more look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedNames(AbstractResolver):
    """Another resolver, whose every answer must be public, or in one of some networks. A name that has a private
    address beside public ones is refused altogether: no name that is meant to be public has one."""

    def __init__(self, inner: AbstractResolver, networks: Networks) -> None:
        self._inner = inner
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; `Blocked` when one of them is neither."""
        found = await self._inner.resolve(host, port, family)
        if not all(may_be_called(one["host"], self._networks) for one in found):
            raise Blocked
        return found

    async def close(self) -> None:
        """The other resolver is closed by its owner."""


def _resolved(host: str, port: int, info: aiohttp.AddrInfoType) -> ResolveResult:
    family, _, protocol, _, address = info
    return ResolveResult(
        hostname=host,
        host=str(address[0]),
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def may_be_called(text: str, networks: Networks) -> bool:
    """Whether an address is public, or in one of these networks."""
    address = ip_address(text.split("%", 1)[0])
    return is_public(address) or any(address in network for network in networks)
