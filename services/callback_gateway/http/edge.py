"""What the routes work with."""

from dataclasses import dataclass

from services.callback_gateway.http.arrivals import Arrivals
from services.callback_gateway.known import Known
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.payloads.store import PayloadStore


@dataclass(frozen=True)
class Edge:
    """One replica's."""

    settings: Settings
    database: Database
    outbound: Outbound
    known: Known
    arrivals: Arrivals
    payloads: PayloadStore
