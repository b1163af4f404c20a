"""What all settings of the simulator have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Status = Annotated[int, Field(ge=300, le=599)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Settings(BaseModel):
    """Frozen, strict, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
