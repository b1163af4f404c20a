"""Any history of claims, departures, reports, deaths, lost answers of commits and new contracts: by the vendor's count
no window is exceeded."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from services.fetcher.lanes.leases import doubtful_of
from services.fetcher.permits.decide import KEPT, Report, ahead_of, record
from services.fetcher.permits.lease import LeaseRequest, lease
from services.fetcher.permits.state import read_permits, write_permits
from services.fetcher.permits.windows import SECOND, Permits, length_of
from shared.specification.vendor import Budget, Window

AHEAD = 120_000
windows = st.builds(
    lambda requests, milliseconds, burst: Window(
        requests=requests, per=timedelta(milliseconds=milliseconds), burst=min(burst, requests)
    ),
    st.integers(1, 5),
    st.sampled_from([500, 1000, 5000, 61_000]),
    st.integers(1, 4),
)
quotas = st.builds(lambda requests: Window(requests=requests, per=timedelta(minutes=10)), st.integers(1, 20))
budgets = st.builds(
    lambda found: Budget(windows=tuple(found)),
    st.lists(windows | quotas, min_size=1, max_size=2, unique_by=lambda window: (window.requests, window.per)),
)
fetchers = st.sampled_from([0, 1])
counts = st.integers(1, 6)
lates = st.sampled_from([0, 0, 0, 1000, SECOND, KEPT])
Answer = Literal["heard", "lost", "lost with the commit"]
answers = st.sampled_from(get_args(Answer))


@dataclass
class Fetcher:
    """What a process knows: its permits, each with the number of its contract, and what it has to report."""

    held: list[tuple[int, int]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)


class Histories(RuleBasedStateMachine):
    """Two fetchers at the row of one vendor. Times are in microseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000 * SECOND
        self.row = Permits()
        self.budget = Budget(windows=(Window(requests=5, per=timedelta(seconds=1), burst=1),))
        self.contract = 0
        """How often the budget was changed."""
        self.fetchers = [Fetcher(), Fetcher()]
        self.left: list[tuple[int, int]] = []
        """The vendor's count: when each call left, and under which contract its permit was leased."""
        self.counted_from: dict[int, int] = {}
        """Since when calls are logged for so long. What left earlier cannot be known to a window of that length."""

    @rule(number=fetchers, count=counts, answer=answers)
    def claim(self, number: int, count: int, answer: Answer) -> None:
        fetcher, until = self.fetchers[number], self.now + ahead_of(self.budget, AHEAD)
        known = record(self.budget, self.row, fetcher.reports, self.now)
        leased = lease(self.budget, known, LeaseRequest(count, self.now, until))
        if answer != "lost with the commit":
            self.row = read_permits(write_permits(leased.permits))
            for window in self.budget.windows:
                if length_of(window) > max(self.counted_from, default=0):
                    self.counted_from[length_of(window)] = self.now
        if answer == "heard":
            fetcher.held += [(moment, self.contract) for moment in leased.moments]
            fetcher.reports = []
        else:
            fetcher.reports = doubtful_of(fetcher.reports)

    @rule(number=fetchers, most=counts, late=lates)
    def leave(self, number: int, most: int, late: int) -> None:
        """Calls leave, each so late after its moment, if its permit is still kept by then."""
        fetcher = self.fetchers[number]
        for moment, contract in fetcher.held[:most]:
            self.now = max(self.now, moment + late)
            if self.now <= moment + KEPT:
                fetcher.held.remove((moment, contract))
                fetcher.reports.append(Report(moment, self.now))
                self.left.append((self.now, contract))
                self.no_window_is_exceeded()

    @rule(number=fetchers, count=counts, most=counts, late=lates)
    def work(self, number: int, count: int, most: int, late: int) -> None:
        """What mostly happens, so that there is something for the rest to go wrong with."""
        self.claim(number, count, "heard")
        self.leave(number, most, late)

    @rule(number=fetchers)
    def give_back(self, number: int) -> None:
        """A call ends before it has left."""
        fetcher = self.fetchers[number]
        if fetcher.held:
            fetcher.reports.append(Report(fetcher.held.pop()[0], None))

    @rule(number=fetchers)
    def kill(self, number: int) -> None:
        """Nothing is reported any more, neither what left nor what never will."""
        self.fetchers[number] = Fetcher()

    @rule(passed=st.integers(0, 200_000) | st.sampled_from([SECOND, KEPT, KEPT + 1, 2 * KEPT]))
    def wait(self, passed: int) -> None:
        self.now += passed

    @precondition(lambda self: any(contract == self.contract for _, contract in self.left))
    @rule(budget=budgets)
    def change(self, budget: Budget) -> None:
        self.budget = budget
        self.contract += 1

    @invariant()
    def no_window_is_exceeded(self) -> None:
        """Calls that left before a contract was made stricter may be more than it allows: then none leaves under it."""
        for window in self.budget.windows:
            length = length_of(window)
            known_since = min((at for long, at in self.counted_from.items() if long >= length), default=self.now)
            since = max(self.now - length, known_since - 1)
            inside = [contract for at, contract in self.left if at > since]
            assert self.contract not in inside or len(inside) <= window.most


def test_whatever_happens_in_whatever_order_no_window_is_exceeded() -> None:
    run_state_machine_as_test(Histories, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))
