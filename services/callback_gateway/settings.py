"""Settings of the gateway."""

from typing import Literal

from pydantic import Field

from shared.environment import OwnSecret
from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where it listens and what it lets in."""

    gateway_host: str = Field("127.0.0.1", description="address that the HTTP API listens on")
    gateway_port: int = Field(
        8080, ge=0, le=65535, description="port of the HTTP API; 0 chooses a free one and logs it"
    )
    gateway_api_keys: Literal["required", "loopback-free", "off"] = Field(
        "loopback-free",
        description="who needs an API key: all clients, all but those on this machine (not behind a proxy), or none",
    )
    gateway_key_rate: float = Field(
        500.0,
        ge=0,
        le=100_000,
        description="requests per second that each API key may make to one process; 0: no limit",
    )
    gateway_key_burst: int = Field(1000, ge=1, le=1_000_000, description="requests that each API key may make at once")
    gateway_body_bytes: int = Field(1024**2, ge=1024, description="bytes of the largest request body")
    gateway_body_seconds: float = Field(10.0, gt=0, description="seconds in which a request body must have arrived")
    gateway_held_bytes: int = Field(
        32 * 1024**2,
        ge=1024,
        description="bytes of request bodies that one process holds at once; one body always fits",
    )
    gateway_connections: int = Field(
        3000,
        ge=1,
        le=100_000,
        description="connections open at once in one process, those of waiting requests and event streams included",
    )
    callback_key: OwnSecret = Field(
        "", description="env:NAME or file:/PATH of the key that signs callback URLs; the same as the fetchers'"
    )
    gateway_waits: int = Field(
        1000, ge=0, le=100_000, description="requests with Prefer: wait that may wait at once in one process"
    )
    gateway_streams: int = Field(1000, ge=0, le=100_000, description="event streams open at once in one process")
    gateway_wait_seconds: float = Field(
        60.0, ge=0, le=600, description="longest wait in seconds that Prefer: wait gets"
    )
    gateway_answer_seconds: float = Field(
        86_400.0,
        gt=0,
        le=15 * 86_400,
        description="seconds that the bodies of vendors' answers are kept, never longer than their jobs",
    )
    gateway_park_seconds: float = Field(
        3600.0, gt=0, description="seconds that a callback waits for its task; then it becomes a dead letter"
    )
    gateway_produce_seconds: float = Field(
        3.0, gt=0, le=25, description="seconds that the broker has to acknowledge a message before it goes to the spool"
    )
    gateway_apply_seconds: float = Field(
        2.0,
        ge=0,
        le=25,
        description="seconds that changed configuration waits for the consumer; then the request stores it itself",
    )
    gateway_keep_days: float = Field(
        30.0, ge=15, description="days after its end that a job is shown; callbacks and dead letters are kept as long"
    )
