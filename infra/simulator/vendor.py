"""One simulated vendor: settings, contract, fates and truth put together for each request.

The order is that of a real edge: who are you (401), may you (429), what befalls you, and only then the answer.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from math import inf

from infra.simulator.config import Fault, VendorConfig
from infra.simulator.contract import RateLimit, quota_headers, retry_after
from infra.simulator.damage import damages, deliver
from infra.simulator.endpoints import Call, NotFound, Route, Served, find_route
from infra.simulator.faults import Fate, FatePlan
from infra.simulator.pages import BadRequest
from infra.simulator.records import Records
from infra.simulator.reports.book import Book
from infra.simulator.reports.courier import Courier
from infra.simulator.truth import Truth
from infra.simulator.wire import Answer, Delivery, Request, problem

_TARGETS_MAX = 1_000_000
_IN_FLIGHT_RETRY_SECONDS = 1.0


class Vendor:
    """A vendor at work. Clocks are arguments: `clock` is monotonic, `wall` the epoch, both in seconds."""

    def __init__(
        self,
        name: str,
        config: VendorConfig,
        *,
        default_seed: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._default_seed = default_seed
        self._clock = clock
        self._wall = wall
        self._latest = -inf
        self._courier = Courier(wall)
        self.configure(config)
        self.reset()

    def configure(self, config: VendorConfig) -> None:
        """Take other settings from now on. The truth stays; the contract's windows begin empty."""
        seed = self._default_seed if config.seed is None else config.seed
        self.config = config
        self._plan = FatePlan(config, seed=seed, vendor=self.name)
        self._limit = RateLimit(config.contracts)
        self._records = Records(seed, config.shape)

    def heal(self) -> None:
        """Let the targets work again that fail on purpose. Random faults and windows stay as they are."""
        self.config = self.config.model_copy(update={"fail_paths": ()})
        self._plan = FatePlan(self.config, seed=self._records.seed, vendor=self.name)

    def reset(self) -> None:
        """Forget what happened: truth, windows, asynchronous jobs, and how often each target was asked.

        Callbacks that wait are not sent. The settings stay.
        """
        self.truth = Truth()
        self.book = Book(self.name)
        self._courier.drop()
        self._limit = RateLimit(self.config.contracts)
        self._asked: dict[str, int] = {}
        self._listings = 0

    async def close(self) -> None:
        """Send no more callbacks."""
        await self._courier.close()

    def receive(self, request: Request, segments: tuple[str, ...]) -> Delivery:
        """What goes back for a request; `segments` is its path below the vendor."""
        # What counts is when a request came, not when a busy machine read it. They are read in the order of their coming.
        now = self._latest = max(self._latest, self._clock() - request.unread_seconds)
        truth = self.truth
        target = request.target.removeprefix(f"/{self.name}")
        route = find_route(segments, request.method)
        truth.arrived(now, kind=route.path if route else "unknown", address=request.address)
        fate = Fate()
        refusal, quotas = self._refusal(request, now)
        if refusal is None:
            truth.admitted()
            fate = self._plan.draw(target, self._repetition(target, request.body))
            served = self._serve(request, segments, route, fate)
        else:
            served = Served(refusal)
        answer, damaged = served.answer, damages(fate.fault, served.answer)
        truth.decided(None if damaged and fate.fault is Fault.HANG else answer.status, fate.fault)
        if quotas:
            answer = Answer(answer.status, answer.body, answer.media_type, answer.headers + quotas)
        settle = partial(_settle, truth, target, None if damaged else served.indices)
        delivery = deliver(answer, fate, self.config, wall=self._wall(), settle=settle)
        if served.made is None:
            return delivery
        # Whatever befalls the answer, the job was made: its callbacks come.
        return replace(delivery, behind=self._courier.dispatch(self.config.reports, served.made, self.book.truth))

    def _refusal(self, request: Request, now: float) -> tuple[Answer | None, bytes]:
        """Why a request is turned away, if it is, and the header lines that tell the quota."""
        token = request.headers.get(b"authorization", "")
        if self.config.require_token is not None and token != f"Bearer {self.config.require_token}":
            return problem(401, "show a bearer token", b"WWW-Authenticate: Bearer\r\n"), b""
        admitted, quotas = self._limit.admit(now, address=request.address, token=token)
        # The same fields cannot stand twice: the window that refuses speaks, else the one with the least left.
        speaker = min(quotas, key=lambda quota: quota.remaining) if admitted and quotas else next(iter(quotas), None)
        lines = quota_headers(speaker, refused=not admitted, wall=self._wall()) if speaker else b""
        if not admitted and speaker:
            form = speaker.contract.retry_after
            header = retry_after(form, seconds=speaker.reset_seconds, wall=self._wall())
            return problem(429, "too many requests", header), lines
        if self.config.in_flight_max is not None and self.truth.in_flight > self.config.in_flight_max:
            header = retry_after("seconds", seconds=_IN_FLIGHT_RETRY_SECONDS, wall=self._wall())
            return problem(429, "too many requests at once", header), lines
        return None, lines

    def _repetition(self, target: str, body: bytes) -> int:
        """How often the same was asked before; bodies count as part of what is asked."""
        key = f"{target} {blake2b(body, digest_size=12).hexdigest()}" if body else target
        asked = self._asked.get(key, 0)
        if asked or len(self._asked) < _TARGETS_MAX:
            self._asked[key] = asked + 1
            return asked
        # Out of memory for counters: a retry must still draw anew, though no longer repeatably.
        return self.truth.requests

    def _serve(self, request: Request, segments: tuple[str, ...], route: Route | None, fate: Fate) -> Served:
        if fate.fault is Fault.ERROR:
            return Served(problem(fate.status, "something went wrong"))
        if fate.fault is Fault.RATE_LIMIT:
            form, seconds = self.config.rate_limit_retry_after, self.config.rate_limit_seconds
            header = retry_after(form, seconds=seconds, wall=self._wall())
            return Served(problem(self.config.rate_limit_status, "too many requests", header))
        if route is None:
            return Served(problem(404, "no such endpoint"))
        if request.method != route.method:
            return Served(problem(405, "no such method", f"Allow: {route.method}\r\n".encode()))
        call = Call(self.config, self._records, request, self.name, segments, self._listings, self.book, self._clock())
        self._listings += route.listing
        try:
            return route.answer(call)
        except BadRequest as error:
            return Served(problem(400, str(error)))
        except NotFound as error:
            return Served(problem(404, str(error)))


def _settle(truth: Truth, target: str, indices: range | None, delivered: bool) -> None:
    """Note how a request ended, in the truth it was counted in, which a reset may have replaced since."""
    truth.ended()
    if delivered and indices is not None:
        truth.served(target, indices)
