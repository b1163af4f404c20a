"""How many bytes of request bodies this process holds at once.

Anyone can send webhooks and callbacks, and a signature can be checked only over the whole body. So all requests
together may hold only so many bytes; a request beyond that gets 503. A body counts as it arrives, until its request is
answered or waits for its job. Announced bytes do not count: otherwise a few strangers could take all the room and send
nothing.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from services.callback_gateway.http.problems import RETRY_SECONDS, Refusal
from services.callback_gateway.metrics import HELD_BYTES

_SHARE = "sluice.body_share"


class BodyShare:
    """What one request holds."""

    def __init__(self, budget: "BodyBudget") -> None:
        self._budget = budget
        self._held = 0

    def check(self, announced: int) -> None:
        """See that a body of so many bytes would have a place now.

        Raises:
            Refusal: it would not.
        """
        if announced > self._budget.left:
            retry_after = {"Retry-After": str(RETRY_SECONDS)}
            raise Refusal(503, "the bodies of other requests fill the memory for bodies", headers=retry_after)

    def add(self, size: int) -> None:
        """So many more bytes have come.

        Raises:
            Refusal: there is no place for them.
        """
        self.check(size)
        self._held += size
        self._budget.change(size)

    def release(self) -> None:
        """The body is needed no more."""
        self._budget.change(-self._held)
        self._held = 0


class BodyBudget:
    """The budget of a process, as middleware."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self.left = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its share, which it has until it is answered."""
        share = scope[_SHARE] = BodyShare(self)
        try:
            await self._app(scope, receive, send)
        finally:
            share.release()

    def change(self, size: int) -> None:
        """So many bytes more are held, or less."""
        self.left -= size
        HELD_BYTES.inc(size)


def body_share(scope: Scope) -> BodyShare:
    """The share of a request."""
    share: BodyShare = scope[_SHARE]
    return share
