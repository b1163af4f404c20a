"""What each connection of a pool is set up with."""

import asyncpg
from pydantic_core import from_json, to_json


async def leave_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Nothing here changes a session: locks and settings last as long as their transaction. asyncpg's own reset would
    cost each transaction one more question to the server."""


async def set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """jsonb as values; json as bytes, because a json column is for the text itself, with the order of its names."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        format="binary",
    )


def _encode_jsonb(value: object) -> bytes:
    """Ready-made JSON text (bytes) passes; anything else is serialised. The leading byte is jsonb's version."""
    return b"\x01" + (value if isinstance(value, bytes) else to_json(value, inf_nan_mode="null"))


def _decode_jsonb(data: bytes) -> object:
    """Whole numbers of any size stay what they are; orjson would make fractions of those beyond 64 bits."""
    found: object = from_json(data[1:])
    return found
