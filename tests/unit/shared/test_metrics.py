"""What metrics may be split by: never by jobs, ids or URLs, of which there is no end."""

from importlib import import_module

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from shared.events.catalogue import SERVICES

BOUNDED = {
    *("fact", "fate", "group", "hook", "kind", "loop", "outcome", "reason", "route", "service", "sink", "state"),
    *("status", "topic", "vendor", "verdict"),
}


def test_labels_have_few_values() -> None:
    for service in SERVICES:
        import_module(f"services.{service.replace('-', '_')}.metrics")
    instruments = [one for one in REGISTRY._collector_to_names if isinstance(one, MetricWrapperBase)]
    ours = [one for one in instruments if one._name.startswith("sluice_")]
    assert len(ours) > 30
    assert {label for one in ours for label in one._labelnames} <= BOUNDED
