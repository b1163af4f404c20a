"""The state of a vendor's permits as it stands in its row. Pure."""

from collections.abc import Sequence
from typing import Any

from services.fetcher.permits.decide import WindowState


def read_windows(document: dict[str, Any]) -> list[WindowState]:
    """From jsonb."""
    return [
        WindowState(key, state["arrival"], tuple((start, calls) for start, calls in state["buckets"]))
        for key, state in document.items()
    ]


def write_windows(windows: Sequence[WindowState]) -> dict[str, Any]:
    """To jsonb."""
    return {window.key: {"arrival": window.arrival, "buckets": window.buckets} for window in windows}
