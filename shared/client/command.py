"""What all commands of `sluice` share: their options, the connection, and how they end."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from shared.client.client import SluiceClient
    from shared.errors import SluiceError

T = TypeVar("T")

Server = Annotated[str, typer.Option("--server", envvar="SLUICE_URL", help="address of the gateway")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of tables")]
LOCAL = "http://127.0.0.1:8080"
FAILED, MISTAKEN, INTERRUPTED = 1, 2, 130
_key: ContextVar[str | None] = ContextVar("key", default=None)


def use_key(key: str | None) -> None:
    """The API key that this command sends."""
    _key.set(key)


def run(server: str, work: "Callable[[SluiceClient], Awaitable[T]]") -> T:
    """Run one command's work; mistakes and refusals end it with code 2 and a clear text."""
    from shared.client.client import SluiceClient
    from shared.errors import SluiceError

    async def inside() -> T:
        async with SluiceClient(server, api_key=_key.get()) as client:
            return await work(client)

    try:
        return asyncio.run(inside())
    except SluiceError as error:
        refuse(error)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def refuse(error: "SluiceError") -> NoReturn:
    """Tell what is wrong, one mistake a line, and end."""
    from shared.client.visible import visible
    from shared.errors import Invalid

    lines = [f"{one.pointer}: {one.detail}" for one in error.problems] if isinstance(error, Invalid) else [str(error)]
    for one in lines:
        typer.secho(visible(one), err=True, fg="red")
    raise typer.Exit(MISTAKEN)
