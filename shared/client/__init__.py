"""The typed client of Sluice's HTTP API, and the `sluice` command on top of it."""

from shared.client.client import ApiError, SluiceClient
from shared.client.models import Attempt, DeadLetter, Job, JobReference, Task

__all__ = ["ApiError", "Attempt", "DeadLetter", "Job", "JobReference", "SluiceClient", "Task"]
