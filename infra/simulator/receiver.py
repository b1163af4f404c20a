"""A receiver of outgoing webhooks: somebody's server that judges signatures, and fails as the settings say.

POST /receive/{name}. Time is an argument.
"""

from collections import Counter, deque
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Literal, Self

import orjson
from pydantic import Field, ValidationError, model_validator

from infra.simulator.settings import Seconds, Settings
from infra.simulator.signatures import SCHEME_ID, SCHEME_SIGNATURE, check_standard, key_of
from infra.simulator.tally import Tally
from infra.simulator.wire import Answer, Delivery, Request, problem, render

LOG_MAX = 20_000
_BODY_MAX = 20_000


class ReceiverConfig(Settings):
    """One receiver: its secret, and how it answers."""

    secret: str | None = None
    """A Standard Webhooks secret (`whsec_` and base64); what is not signed with it gets 401. null: all are taken."""
    tolerance_seconds: Seconds = 300.0
    """How far a signed time may be from now."""
    fail_first: int = Field(default=0, ge=0)
    """Attempts of each message that fail before one is taken; messages are distinguished by webhook-id, else by body."""
    fail: Literal["status", "hang", "drop"] = "status"
    """How they fail: with `fail_status`, without an answer for `hang_seconds`, or with a connection that just closes."""
    fail_status: int = Field(default=500, ge=300, le=599)
    """The status of those attempts."""
    fail_retry_after: int | None = Field(default=None, ge=0)
    """Seconds in their Retry-After; null: no such header."""
    hang_seconds: Seconds = 60.0
    """How long a hanging attempt is held."""
    status: int = Field(default=204, ge=200, le=599)
    """What is answered otherwise: 410 plays a receiver that is gone, 3xx one that has moved."""

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        if self.secret is not None:
            key_of(self.secret)
        return self


class Receiver:
    """A receiver at work, and what it saw."""

    def __init__(self, name: str, config: ReceiverConfig) -> None:
        self.name = name
        self.config = config
        self.reset()

    def configure(self, config: ReceiverConfig) -> None:
        """Take other settings from now on; what was seen stays."""
        self.config = config

    def reset(self) -> None:
        """Forget what was seen."""
        self._requests = 0
        self._signatures: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._messages, self._accepted = Tally(), Tally()
        self._attempts: Counter[str] = Counter()
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_MAX)

    def receive(self, request: Request, *, wall: float) -> Delivery:
        """What goes back for a request. `wall` is the epoch time."""
        if request.method != "POST":
            return Delivery(render(problem(405, "no such method", b"Allow: POST\r\n"), wall))
        message = request.headers.get(SCHEME_ID) or f"body {blake2b(request.body, digest_size=8).hexdigest()}"
        valid = self._judge(request, wall)
        fails = valid is not False and self._attempts[message] < self.config.fail_first
        self._attempts[message] += valid is not False
        answer = self._answer(valid, fails)
        hangs = fails and self.config.fail != "status"
        self._note(request, message, valid, None if hangs else answer.status, wall)
        if hangs:
            return Delivery(b"", self.config.hang_seconds if self.config.fail == "hang" else 0.0, close=True)
        return Delivery(render(answer, wall))

    def _judge(self, request: Request, wall: float) -> bool | None:
        """Whether a message is signed as it should be; None if the receiver has no secret."""
        if self.config.secret is None:
            return None
        tolerance = self.config.tolerance_seconds
        return check_standard(self.config.secret, request.headers, request.body, now=wall, tolerance=tolerance)

    def _answer(self, valid: bool | None, fails: bool) -> Answer:
        if valid is False:
            return problem(401, "this is not signed with my secret")
        if fails:
            seconds = self.config.fail_retry_after
            header = b"" if seconds is None else b"Retry-After: %d\r\n" % seconds
            return problem(self.config.fail_status, "not yet", header)
        moved = b"Location: /receive/elsewhere\r\n" if 300 <= self.config.status < 400 else b""
        return Answer(self.config.status, headers=moved)

    def _note(self, request: Request, message: str, valid: bool | None, status: int | None, wall: float) -> None:
        self._requests += 1
        self._messages.count(message)
        if status is not None and 200 <= status < 300:
            self._accepted.count(message)
        self._signatures[_verdict(valid, SCHEME_SIGNATURE in request.headers)] += 1
        self._statuses["none" if status is None else str(status)] += 1
        self._log.append({"at": wall, "id": message, "valid": valid, "status": status, "body": _shown(request.body)})

    def report(self) -> dict[str, object]:
        """The facts; the log has the newest attempts, oldest first."""
        return {
            "receiver": self.name,
            "requests": self._requests,
            "by_signature": dict(self._signatures),
            "by_status": dict(self._statuses),
            "messages": self._messages.report(called="id"),
            "accepted": self._accepted.report(called="id"),
            "log": list(self._log),
        }


class Receivers:
    """All receivers by name."""

    def __init__(self, configs: Mapping[str, ReceiverConfig]) -> None:
        self._by_name = {name: Receiver(name, config) for name, config in configs.items()}

    def get(self, name: str) -> Receiver | None:
        """The receiver of that name."""
        return self._by_name.get(name)

    def answer(self, request: Request, place: list[str]) -> Answer:
        """Answer below /_control/receivers."""
        name, *action = place or [""]
        if request.method == "PUT" and not action:
            return self._put(name, request.body)
        receiver = self.get(name)
        if receiver is None:
            return problem(404, f"no receiver {name!r}")
        match request.method, action:
            case "GET", []:
                return Answer(200, receiver.config.model_dump_json().encode())
            case "DELETE", []:
                del self._by_name[name]
            case "POST", ["reset"]:
                receiver.reset()
            case _:
                return problem(404, "no such control")
        return Answer(204)

    def _put(self, name: str, body: bytes) -> Answer:
        try:
            config = ReceiverConfig.model_validate_json(body or b"{}")
        except ValidationError as error:
            return Answer(422, error.json(include_url=False).encode())
        if name in self._by_name:
            self._by_name[name].configure(config)
        else:
            self._by_name[name] = Receiver(name, config)
        return Answer(200, config.model_dump_json().encode())


def _verdict(valid: bool | None, signed: bool) -> str:
    if not signed:
        return "unsigned"
    return {True: "valid", False: "invalid", None: "unjudged"}[valid]


def _shown(body: bytes) -> object:
    """A body as the log keeps it: JSON as such, anything else as text, cut."""
    try:
        return orjson.loads(body) if len(body) <= _BODY_MAX else body[:_BODY_MAX].decode("latin-1")
    except orjson.JSONDecodeError:
        return body.decode("latin-1")
