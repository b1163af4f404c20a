"""Bytes over a bare connection, where a client would only send what is well-formed."""

import asyncio


async def all_spoken(port: int, request: bytes, *, end: bool = False) -> bytes:
    """All that is answered until the connection is closed; with `end`, ours is, as soon as the request was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(8):
            return await reader.read(-1)
    finally:
        writer.close()


async def spoken(port: int, request: bytes) -> bytes:
    """What is answered to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            return await reader.read(2000)
    finally:
        writer.close()
