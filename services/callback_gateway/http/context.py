"""What routes work with, and how they get it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from services.callback_gateway.configuration_cache import ConfigurationCache
from services.callback_gateway.http.callback_rules import CallbackRules
from services.callback_gateway.http.follow import Following
from services.callback_gateway.http.new_jobs import NewJobs
from services.callback_gateway.http.prefer_wait import PreferWait
from services.callback_gateway.http.slots import Slots
from services.callback_gateway.http.verification_secrets import VerificationSecrets
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.payloads.store import PayloadStore


@dataclass(frozen=True)
class ApiContext:
    """What the routes of one process share."""

    settings: Settings
    database: Database
    outbound: Outbound
    configuration: ConfigurationCache
    new_jobs: NewJobs
    payloads: PayloadStore
    following: Following

    @cached_property
    def prefer_wait(self) -> PreferWait:
        """Requests that wait for their jobs."""
        return PreferWait(self.database, self.following, self.payloads, self.settings)

    @cached_property
    def stream_slots(self) -> Slots:
        """How many streams of events may be open."""
        return Slots(self.settings.gateway_streams)

    @cached_property
    def callback_rules(self) -> CallbackRules:
        """How vendors call back."""
        return CallbackRules(self.database)

    @cached_property
    def secrets(self) -> VerificationSecrets:
        """By which senders prove who they are."""
        return VerificationSecrets()


async def _context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_context)]
"""The context as a route's parameter."""
