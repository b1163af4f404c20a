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
        description="calls open at once in one process; a quarter is kept for vendors with few open calls; hosts "
        "that only URLs name have a sixteenth to themselves, and half at most",
    )
    fetcher_vendor_share: float = Field(0.5, gt=0, le=1, description="share of these calls that one vendor may have")
    fetcher_body_bytes: int = Field(
        64 * 1024**2, ge=1024**2, description="bytes of answers above 1 MiB that one process holds at once"
    )
    fetcher_lease_seconds: float = Field(
        8.0, ge=3, le=300, description="seconds without a sign of life after which other fetchers take over the calls"
    )
    gateway_public_url: str = Field(
        "http://127.0.0.1:8080", description="URL at which vendors reach the gateway; callback URLs begin with it"
    )
    callback_key: OwnSecret = Field(
        "", description="env:NAME or file:/PATH of the key that signs callback URLs; the same as the gateways'"
    )
    signing_places: str = Field(
        "", description="where secrets of outgoing webhooks may be, such as env:SIGN_; empty: as SLUICE_SECRET_PLACES"
    )
    private_networks: Annotated[str, AfterValidator(_networks)] = Field(
        PRIVATE_NETWORKS,
        description="networks that vendors with network.private_addresses: allow may be in; empty: none",
    )
    fetcher_keep_days: float = Field(30.0, ge=1, description="days that attempts are kept")

    @property
    def idle_seconds(self) -> float:
        """Nothing is waited for inside of a transaction here. What a process that stands still has locked is free again
        before its calls are taken over."""
        return min(5.0, self.fetcher_lease_seconds / 2)
