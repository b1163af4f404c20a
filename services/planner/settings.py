"""Settings of the planner."""

from pydantic import Field

from shared.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """How far ahead calls are released."""

    planner_window_seconds: float = Field(4.0, gt=0, le=60, description="seconds of a contract's rate released ahead")
    planner_unprocessed: int = Field(
        2000, ge=10, description="pages fetched but not yet processed that stop the release"
    )
    planner_keep_days: float = Field(30.0, ge=15, description="days after its end that a job can be redriven")
