"""A job that lasts some seconds, so that something may happen in its middle."""

from tests.support.cluster import Cluster

RECORDS = 4000
POLL = {
    "request": {"path": "/items"},
    "pages": {"style": "offset", "size": 20, "total": "body.meta.total"},
    "records": {"key": "id"},
}


async def prepare(running: Cluster) -> None:
    """A vendor with errors, slow enough that a job lasts some seconds."""
    await running.configure_simulator("acme", records=RECORDS, error_share=0.1, delay_seconds=[0.05, 0.15])
    retry = {"backoff": {"base": "50ms", "cap": "500ms"}, "attempts": 12}
    await running.apply_vendor("acme", retry=retry, budget={"in_flight": 6})
