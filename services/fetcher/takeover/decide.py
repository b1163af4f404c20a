"""Whether a fetcher may judge that others are gone. Pure."""


def is_awake(lived_at: float, now: float, lease_seconds: float) -> bool:
    """Whether a fetcher has shown life within a lease, by its own clock."""
    return now - lived_at <= lease_seconds


def may_judge(lived_at: float, judges_from: float, now: float, lease_seconds: float) -> bool:
    """Not for a lease after the start, or after this fetcher was silent itself: what kept it from the database may have
    kept them all, and the first to come back would take the calls of the living."""
    return is_awake(lived_at, now, lease_seconds) and now >= judges_from
