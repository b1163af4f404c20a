"""Settings of the fetcher."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shared.environment import OwnSecret
from shared.runtime.settings import ServiceSettings
from shared.specification.addresses import PRIVATE_NETWORKS, networks_of


def _networks(text: str) -> str:
    try:
        networks_of(text)
    except ValueError:
        raise PydanticCustomError("networks", "expected networks such as 10.0.0.0/8,::1/128") from None
    return text


class Settings(ServiceSettings):
    """How many calls one process makes at once, and how long it may be silent."""

    fetcher_calls: int = Field(
        256,
        ge=1,
        le=10_000,
        description="calls of this process that may be open at once; a quarter is for vendors with few open ones",
    )
    fetcher_vendor_share: float = Field(0.5, gt=0, le=1, description="part of them that one vendor may take")
    fetcher_body_bytes: int = Field(
        64 * 1024**2, ge=1024**2, description="bytes of large answers that may be held at once"
    )
    fetcher_lease_seconds: float = Field(8.0, ge=3, le=300, description="silence after which calls are taken over")
    gateway_public_url: str = Field("http://127.0.0.1:8080", description="where vendors reach the gateway")
    callback_key: OwnSecret = Field(
        "", description="env:NAME or file:/PATH of the key that callback URLs are made with"
    )
    signing_places: str = Field(
        "", description="where secrets of outgoing webhooks may be, as secret_places; empty: where all may be"
    )
    private_networks: Annotated[str, AfterValidator(_networks)] = Field(
        PRIVATE_NETWORKS,
        description="networks that vendors with network.private_addresses: allow may be in; empty: none",
    )
    fetcher_keep_days: float = Field(30.0, ge=1, description="days that the log of attempts is kept")

    @property
    def idle_seconds(self) -> float:
        """Nothing is waited for inside of a transaction here. What a process that stands still has locked is free again
        before its calls are taken over."""
        return min(5.0, self.fetcher_lease_seconds / 2)
