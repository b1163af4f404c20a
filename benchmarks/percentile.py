"""Percentiles as all measurements compute them."""

from collections.abc import Iterable


def percentile(values: Iterable[float], percent: int) -> float:
    """The nearest rank: the least of the values that at least so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]
