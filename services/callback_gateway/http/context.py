"""What the routes work with."""

from dataclasses import dataclass

from services.callback_gateway.configuration_cache import ConfigurationCache
from services.callback_gateway.http.job_rows import JobRows
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool.outbound import Outbound
from shared.database.pool import Database
from shared.payloads.store import PayloadStore


@dataclass(frozen=True)
class ApiContext:
    """One replica's."""

    settings: Settings
    database: Database
    outbound: Outbound
    configuration: ConfigurationCache
    job_rows: JobRows
    payloads: PayloadStore
