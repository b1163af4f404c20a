"""Settings of the processor."""

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """How much is taken in hand at once."""

    processor_pages: int = Field(32, ge=1, le=500, description="pages handled in one transaction")
    processor_members: int = Field(2, ge=1, le=16, description="members of the consumer group in one process")
    processor_reads: int = Field(
        8, ge=1, le=100, description="payloads read from the store at the same time in one process"
    )
