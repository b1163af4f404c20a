"""The client: one method for each operation of the API."""

from shared.client.configuration import Configuration
from shared.client.dead_letters import DeadLetters
from shared.client.jobs import Jobs
from shared.client.schedules import Schedules


class SluiceClient(Jobs, Schedules, DeadLetters, Configuration):
    """Talks to a gateway. Use it as `async with SluiceClient(url) as client`."""
