"""Instruments of the processor."""

from prometheus_client import Counter

RECORDS = Counter(
    "sluice_records_total", "Records by what a sink did: written, or repeated within their job", ["sink", "fate"]
)
PAGES_FAILED = Counter("sluice_pages_failed_total", "Pages that could not be processed", ["reason"])
PAYLOADS_DELETED = Counter("sluice_payloads_deleted_total", "Raw payloads deleted after their time")
