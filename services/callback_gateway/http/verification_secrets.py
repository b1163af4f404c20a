"""The secrets by which senders prove who they are, at hand for the context."""

from collections.abc import Callable

from shared.errors import Unavailable
from shared.runtime.clock import monotonic
from shared.secrets import Found, Recent, resolve, resolve_signing
from shared.specification.verification import StandardWebhooks, Verification


class VerificationSecrets:
    """Looked up now and then, so that a new one is in force soon."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._recent = Recent(clock)

    def find(self, verify: Verification) -> Found:
        """The secrets that are in force, and what is wrong with others: during a rotation one of two may be missing.

        Raises:
            Unavailable: none is there, or one cannot be read for now. That is our fault: the sender is asked to come
                again.
        """
        found = self._recent.resolve(
            verify.secrets, resolve_signing if isinstance(verify, StandardWebhooks) else resolve
        )
        if not found.secrets:
            raise Unavailable("; ".join(found.problems))
        return found
