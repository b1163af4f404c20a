"""The state of a vendor's permits as it stands in its row. Pure."""

from typing import Any

from services.fetcher.permits.windows import Permits, WindowState, length_in


def read_permits(document: dict[str, Any]) -> Permits:
    """From jsonb."""
    windows = document.get("windows", {})
    return Permits(
        tuple(
            WindowState(key, length_in(key), state["arrival"], tuple((start, calls) for start, calls in state["sent"]))
            for key, state in windows.items()
        ),
        tuple(document.get("leased", ())),
    )


def write_permits(permits: Permits) -> dict[str, Any]:
    """To jsonb."""
    windows = {window.key: {"arrival": window.arrival, "sent": window.sent} for window in permits.windows}
    return {"windows": windows, "leased": permits.leased}
