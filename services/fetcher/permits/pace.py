"""How fast a vendor is called below its contract: additive increase, multiplicative decrease. Pure."""

LEAST_PACE = 0.05
_DECREASE = 0.7
_INCREASE = 0.01


def slower(pace: float) -> float:
    """The vendor said that it is too much."""
    return max(LEAST_PACE, pace * _DECREASE)


def faster(pace: float, successes: int) -> float:
    """That many calls succeeded since; never above the contract."""
    return min(1.0, pace + _INCREASE * successes)
