"""Settings of the gateway."""

from typing import Literal

from pydantic import Field

from shared.environment import OwnSecret
from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where it listens and what it lets in."""

    gateway_host: str = Field("127.0.0.1", description="address that the HTTP API listens on")
    gateway_port: int = Field(8080, ge=0, le=65535, description="its port; 0 chooses a free one and logs it")
    gateway_api_keys: Literal["required", "loopback-free", "off"] = Field(
        "loopback-free", description="who needs an API key: all, all but this machine (not behind a proxy), or nobody"
    )
    gateway_key_rate: float = Field(
        500.0,
        ge=0,
        le=100_000,
        description="requests a second that a key may make of this process; 0: any number",
    )
    gateway_key_burst: int = Field(1000, ge=1, le=1_000_000, description="requests that it may make at once")
    gateway_body_bytes: int = Field(1024**2, ge=1024, description="largest request body")
    gateway_body_seconds: float = Field(10.0, gt=0, description="time in which a request body must have come")
    gateway_held_bytes: int = Field(
        32 * 1024**2,
        ge=1024,
        description="bytes of request bodies that are held at once, never less than one body",
    )
    gateway_connections: int = Field(
        3000,
        ge=1,
        le=100_000,
        description="connections that may be open at once; a request that waits has one, and so has a stream of events",
    )
    topic_partitions: int = Field(4, ge=1, le=1000, description="partitions of the topics of records")
    topic_replication: int = Field(1, ge=1, le=9, description="replicas of the topics of records")
    callback_key: OwnSecret = Field(
        "", description="env:NAME or file:/PATH of the key that callback URLs are made with"
    )
    gateway_waits: int = Field(1000, ge=0, le=100_000, description="requests that may wait for the end of their job")
    gateway_streams: int = Field(1000, ge=0, le=100_000, description="streams of events that may be open at once")
    gateway_wait_seconds: float = Field(60.0, ge=0, le=600, description="longest wait that a request may prefer")
    gateway_answer_seconds: float = Field(
        86_400.0,
        gt=0,
        le=15 * 86_400,
        description="how long the bodies of answers are kept, never longer than their jobs",
    )
    gateway_park_seconds: float = Field(
        3600.0, gt=0, description="time in which a task must be found for a callback that came before it"
    )
    gateway_produce_seconds: float = Field(
        3.0, gt=0, le=25, description="time for the broker to acknowledge, then spool"
    )
    gateway_apply_seconds: float = Field(
        2.0, ge=0, le=25, description="how long a changed configuration waits for the gateway's own consumer"
    )
    gateway_keep_days: float = Field(
        30.0, ge=15, description="days after its end that a job is shown, and that callbacks and dead letters are kept"
    )
