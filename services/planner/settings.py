"""Settings of the planner."""

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """How far ahead calls are released."""

    planner_window_seconds: float = Field(
        4.0, gt=0, le=60, description="calls are released for so many seconds ahead, at the contract's rate"
    )
    planner_unprocessed: int = Field(
        2000,
        ge=10,
        description="pages fetched but not processed that stop the release of a job; four such jobs stop their vendor",
    )
    planner_keep_days: float = Field(30.0, ge=15, description="days after its end that a job can be redriven")

    @property
    def idle_seconds(self) -> float:
        """Postgres ends transactions that are idle for this long: a frozen planner must release its rows before the
        statements of other planners time out."""
        return 15.0
