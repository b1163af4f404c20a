"""A job that lasts some seconds, so that something may happen in its middle."""

from tests.support.cluster import Cluster
from tests.support.contracts import Contract

RECORDS = 4000
POLL = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 20, "total": "body.meta.total"},
    "records": {"key": "id"},
}
CONTRACT = Contract(per_second=60, calls=200, seconds=4, in_flight=15)


async def prepare(running: Cluster) -> None:
    """A vendor with errors, and a contract because of which a job lasts some seconds."""
    errs = {"error_share": 0.1, "delay_seconds": [0.05, 0.15]}
    await running.configure_simulator("acme", records=RECORDS, **errs, **CONTRACT.limits)
    retry = {"backoff": {"base": "50ms", "cap": "500ms"}, "attempts": 12}
    await running.apply_vendor("acme", retry=retry, budget=CONTRACT.budget)
