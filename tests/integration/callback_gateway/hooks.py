"""Hooks as they are configured, and what is counted of their webhooks."""

from typing import Any

from prometheus_client import REGISTRY

from tests.integration.callback_gateway.conftest import Served

STANDARD = {"verify": {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK"]}}
ORDER = {"action": "changed", "order": {"id": 2**70, "name": "café"}}


async def hook(edge: Served, name: str = "acme", **document: Any) -> str:
    """Configure a hook; gives its path."""
    answer = await edge.http.put(f"/hooks/{name}", json=document or STANDARD)
    assert answer.status_code in (200, 201), answer.text
    return f"/in/{name}"


def counted(name: str, verdict: str) -> float:
    """How many webhooks of this hook had this verdict so far."""
    return REGISTRY.get_sample_value("sluice_webhooks_total", {"hook": name, "verdict": verdict}) or 0.0
