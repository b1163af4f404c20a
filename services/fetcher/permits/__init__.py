"""Permits: the contract with a vendor, kept over all fetchers by leases of exact moments.

A permit is a moment at which a call may leave. Two rules give it, for each window of N calls in W, so that no window of
the contract is ever exceeded:

Spacing follows the generic cell rate algorithm (GCRA, ITU-T I.371): with burst B a call may leave when the theoretical
arrival time is at most B-1 intervals of W/N ahead, and moves that time by one interval. A quota is not spaced.

The log counts the calls that truly left. Whoever uses a permit reports when the request was written to the socket, or
that it never was; until then the permit counts as used at this very instant. So the log never holds less than what the
vendor may have seen, and a call may leave late without breaking a window later on: the calls after it move instead. At
most N calls (in a window of up to a minute with a burst N + B - 1) may stand in W + slack, where the slack is only for
the way to the vendor and the vendor's own clockwork. Permits that nobody reports, because their fetcher is gone, count
as used at the last moment at which they could have been.

All times are whole microseconds on the database's clock. When that is put back, what is written down seems to lie in
the future. No call has left later than now, so none counts for longer than from now on.
"""
