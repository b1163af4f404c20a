"""Permits: the contract with a vendor, kept over all fetchers by leases of exact moments.

A permit is a moment at which a call may leave. Two rules give it, for each window of N calls in W, so that no window of
the contract is ever exceeded:

Spacing follows the generic cell rate algorithm (GCRA, ITU-T I.371): with burst B a call may leave when the theoretical
arrival time is at most B-1 intervals of W/N ahead, and moves that time by one interval. A quota is not spaced.

The log counts the calls that truly left. Each permit is reported: when its request was written to the socket, or that
it never was. So the log never holds less than what the vendor may have seen, and a call may leave late without breaking
a window later on: the calls after it move instead. At most N calls (in a window of up to a minute with a burst
N + B - 1) may be in W + slack, where the slack is only for the way to the vendor and the vendor's own clockwork.

The life of one permit, and as what a claim counts it that finds it unreported:

    leased            moment         + LATEST, 0.5 s           + KEPT, 6 s
      |-----------------|------------------|------------------------|------------------>
      |  its call waits | the call begins, | a call that has begun  | nothing is written
      |                 | or never does    | may write its request  | any more
      |-----------------|------------------|------------------------|------------------>
      counts at moment  | counts as leaving now                     | left at moment + KEPT,
                        |                                           | and no longer open

The last case is a fetcher that is gone. A moment is at most FARTHEST_AHEAD (10 s) after its lease.

All times are whole microseconds on the database's clock. When that is put back, what is written down seems to lie in
the future. No call has left later than now, so none counts for longer than from now on.
"""
