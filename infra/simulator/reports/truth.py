"""What a vendor's asynchronous jobs saw: submits by key and input, and callbacks with what they were answered."""

from collections import Counter, defaultdict, deque
from typing import Any

from infra.simulator.tally import Tally

LOG_MAX = 200_000
NO_ANSWER = "none"


class ReportsTruth:
    """The facts about one vendor's reports since it was set up or reset."""

    def __init__(self) -> None:
        self.aborted = self.submits = 0
        self._made = self._rows = 0
        self._keys, self._inputs, self._pages = Tally(), Tally(), Tally()
        self._answers: dict[str, Counter[str]] = defaultdict(Counter)
        self._sent = self._given_up = self._withdrawn = self._waiting = 0
        self._in_flight = self._highest_in_flight = 0
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_MAX)
        """Every attempt of a callback, oldest first."""

    def submitted(self, given: str, key: str | None, *, made: bool) -> None:
        """A submit was understood; `made` says whether it made a report."""
        self.submits += 1
        self._made += made
        self._inputs.count(given)
        if key is not None:
            self._keys.count(key)

    def read(self, page: str, rows: int) -> None:
        """A page of rows is on its way."""
        self._pages.count(page)
        self._rows += rows

    def planned(self) -> None:
        """A callback is going to be sent."""
        self._waiting += 1

    def sending(self) -> None:
        """An attempt of a callback starts."""
        self._sent += 1
        self._in_flight += 1
        self._highest_in_flight = max(self._highest_in_flight, self._in_flight)

    def answered(self, entry: dict[str, Any]) -> None:
        """An attempt ended; `entry` is its line of the log, with `answer` None where none came."""
        self._in_flight -= 1
        answer = entry["answer"]
        self._answers[entry["kind"]][NO_ANSWER if answer is None else str(answer)] += 1
        self.log.append(entry)

    def finished(self, *, withdrawn: bool, delivered: bool) -> None:
        """A callback is over: withdrawn by an abort, taken, or given up."""
        self._waiting -= 1
        self._withdrawn += withdrawn
        self._given_up += not withdrawn and not delivered

    def report(self) -> dict[str, object]:
        """All but the log."""
        return {
            "submits": self.submits,
            "made": self._made,
            "aborted": self.aborted,
            "inputs": self._inputs.report(called="input"),
            "keys": self._keys.report(called="key"),
            "pages": self._pages.report(called="page"),
            "row_deliveries": self._rows,
            "callbacks": {
                "attempts": self._sent,
                "answers": {kind: dict(counts) for kind, counts in self._answers.items()},
                "waiting": self._waiting,
                "given_up": self._given_up,
                "withdrawn": self._withdrawn,
                "highest_in_flight": self._highest_in_flight,
            },
        }
