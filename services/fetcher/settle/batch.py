"""Outcomes that are written together."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.fetcher.metrics import CREDENTIALS_REFUSED
from services.fetcher.model import Claimed, ClaimKey, Ended, Later, Outcome, Unsent
from services.fetcher.settle import store
from shared.database.pool import Row, Transaction
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label

log = get_logger(__name__)


@dataclass(eq=False, slots=True)
class Entry:
    """An outcome that is to be written; then `settled` is called."""

    outcome: Outcome
    settled: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch did. `ours`: the claims that were still this fetcher's. `in_doubt`: those whose outcomes an earlier
    commit may have written. `rests`: vendors that rest because credentials were refused or missing; `failing`: vendors
    that failed as a whole, some of which rest."""

    ours: AbstractSet[ClaimKey]
    in_doubt: AbstractSet[ClaimKey]
    rests: Sequence[Row]
    failing: Sequence[Row]


class Batch:
    """Outcomes, and the ids of calls whose messages were sent: their rows go."""

    def __init__(self, entries: Sequence[Entry], sent_ids: Sequence[UUID] = ()) -> None:
        self.entries = entries
        self.sent_ids = sent_ids
        self._outcomes = [entry.outcome for entry in entries]

    @property
    def keys(self) -> frozenset[ClaimKey]:
        """The claims that the outcomes belong to."""
        return frozenset(outcome.call.key for outcome in self._outcomes)

    async def write(self, tx: Transaction, fetcher_id: UUID, in_doubt: AbstractSet[ClaimKey]) -> Written:
        """Write the outcomes, and what they mean for the budgets of their vendors."""
        pauses = [pause for outcome in self._outcomes if (pause := _pause(outcome))]
        succeeded = [_vendor(outcome) for outcome in self._outcomes if _succeeded(outcome)]
        answered = [_vendor(one) for one in self._outcomes if one.vendor_works and not _succeeded(one)]
        works = {*succeeded, *answered}
        failed = [name for one in self._outcomes if one.vendor_works is False and (name := _vendor(one)) not in works]
        refused = self._refused
        await store.lock_budgets(tx, [*(pause.vendor for pause in pauses), *refused, *failed], [*succeeded, *answered])
        await store.pause_vendors(tx, pauses)
        await store.speed_up_vendors(tx, succeeded)
        await store.end_faults(tx, answered)
        failing = await store.count_faults(tx, failed)
        rests = await store.refuse_credentials(tx, [vendor for vendor in refused if vendor not in succeeded])
        ours = await store.settle_calls(tx, fetcher_id, self._outcomes) if self._outcomes else set()
        await store.insert_attempts(tx, self._outcomes, in_doubt)
        await store.delete_calls(tx, self.sent_ids)
        return Written(ours, in_doubt, rests, failing)

    def lost(self, written: Written) -> list[Claimed]:
        """The calls that are another fetcher's, or another claim's, for certain."""
        return [outcome.call for outcome in self._outcomes if outcome.call.key not in written.ours | written.in_doubt]

    def unsent(self, written: Written) -> Iterator[Unsent]:
        """The messages of the outcomes that count. An end that an earlier commit wrote has its messages in the row."""
        for outcome in self._outcomes:
            was_written = outcome.call.key in written.in_doubt and isinstance(outcome, Later)
            if outcome.messages and (outcome.call.key in written.ours or was_written):
                yield Unsent(outcome.call.id, outcome.messages, isinstance(outcome, Ended))

    def report(self, written: Written) -> None:
        """Count and log credentials that were refused or missing, and log vendors that rest."""
        for vendor in self._refused:
            CREDENTIALS_REFUSED.labels(vendor=vendor_label(vendor)).inc()
        for row in written.rests:
            times = row["refused_credentials"]
            _log_rest(row, f"credential refused or missing {times} times in a row; a vendor applied anew ends it")
        for row in written.failing:
            _log_rest(row, f"unreachable, or answered 5xx, {row['faults']} times in a row; then one call is tried")

    @property
    def _refused(self) -> list[str]:
        return [_vendor(one) for one in self._outcomes if isinstance(one, Ended) and one.credential_refused]


def _log_rest(row: Row, reason: str) -> None:
    if row["seconds"] > 0:
        log.warning("vendor.rests", vendor=row["vendor"], seconds=round(row["seconds"]), reason=reason)


def _pause(outcome: Outcome) -> store.Pause | None:
    match outcome:
        case Later(not_before=until, limited=True):
            return store.Pause(_vendor(outcome), until, refused=True)
        case Ended(spent_until=datetime() as until):
            return store.Pause(_vendor(outcome), until, refused=False)
        case _:
            return None


def _succeeded(outcome: Outcome) -> bool:
    return isinstance(outcome, Ended) and outcome.succeeded


def _vendor(outcome: Outcome) -> str:
    return outcome.call.request.vendor
