"""Instruments of the processor."""

from prometheus_client import Counter, Gauge

RECORDS = Counter(
    "sluice_records_total", "Records by what a sink did: written, or repeated within their job", ["sink", "fate"]
)
PAGES_FAILED = Counter("sluice_pages_failed_total", "Pages that could not be processed", ["reason"])
PAYLOADS_DELETED = Counter("sluice_payloads_deleted_total", "Raw payloads deleted after their time")
TABLES_BUSY = Gauge("sluice_tables_busy", "Tables that were found locked or slow, and are looked at again later")
