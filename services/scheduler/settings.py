"""Settings of the scheduler."""

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """How timers are fired."""

    scheduler_block: int = Field(1000, ge=1, le=10_000, description="timers fired in one transaction")
