"""What was measured, as `docs/benchmarks.md` shows it, keeps what is promised."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def test_webhooks_are_answered_in_under_half_a_second() -> None:
    """All but one in a hundred, under as many as can be taken at all; it cannot be told from a test's few."""
    measured = json.loads((RESULTS / "ingress.json").read_text("utf-8"))
    ours = {row["path"]: row["p99_ms"] for row in measured if row["system"] == "sluice"}
    assert {"/in/bench", "/jobs"} <= set(ours)
    assert max(ours.values()) < 500
