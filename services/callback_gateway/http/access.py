"""Who may do what: an API key with a scope for everything but webhooks, callbacks and the API's own description.

The first part of a path names its area, and the method says whether the request reads or writes. So a new route needs a
key, too. If the settings allow it, requests from this machine need no key, unless they came through a proxy, name
another host, or were made by a page of another site. A browser sends what any page tells it to, also to addresses that
only the browser can reach; so such requests always need a key.

A key that exceeds its rate gets 429; requests with other keys are not delayed.
"""

import math
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.callback_gateway.http.problems import Refusal, problem, problem_responses, unavailable
from services.callback_gateway.keys.key import READ, WRITE
from services.callback_gateway.keys.keyring import Keyring
from services.callback_gateway.keys.pace import Pace
from services.callback_gateway.metrics import ACCESS_REFUSED
from shared.errors import Unavailable
from shared.observability.logs import get_logger
from shared.specification.addresses import literal_address
from shared.specification.request import CALL_HEADER

Policy = Literal["required", "loopback-free", "off"]

AREAS = {
    "jobs": "jobs",
    "vendors": "config",
    "sources": "config",
    "hooks": "config",
    "schedules": "schedules",
    "dead-letters": "dead-letters",
}
OPEN = frozenset({"in", "callbacks", "openapi.json"})
SECURITY: dict[str, Any] = {"type": "http", "scheme": "bearer", "description": "An API key; its scopes say what for"}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY = "sluice.key"
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_OWN_SITES = frozenset({"none", "same-origin"})
_OF_OTHERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via", CALL_HEADER)

log = get_logger(__name__)


def needed_scopes(method: str, path: str) -> tuple[str, ...] | None:
    """The scopes that a request needs: None if it needs no key, empty if any key will do. A request for a schedule or
    hook needs the scope for jobs, too, since these start jobs later."""
    first, _, place = path.removeprefix("/").partition("/")
    if first in OPEN:
        return None
    area = AREAS.get(first)
    if area is None:
        return ()
    own = f"{area}:{READ if method in _READING else WRITE}"
    starts = (first, place, method) == ("schedules", "", "POST") or (first, method) == ("hooks", "PUT")
    return (own, f"jobs:{WRITE}") if starts else (own,)


class Access:
    """Lets requests in by their keys, as middleware."""

    def __init__(self, app: ASGIApp, keyring: Keyring, policy: Policy, pace: Pace) -> None:
        self._app = app
        self._keyring = keyring
        self._policy = policy
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] == "http":
            needed = needed_scopes(scope["method"], scope["path"])
            if needed is not None:
                try:
                    await self._admit(scope, needed)
                except Refusal as refusal:
                    ACCESS_REFUSED.labels(status=str(refusal.status)).inc()
                    log.info("access.refused", status=refusal.status, reason=refusal.detail, needed=needed)
                    await problem(refusal.status, refusal.detail, headers=refusal.headers)(scope, receive, send)
                    return
                except Unavailable as error:
                    await unavailable(scope["path"], error)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, needed: tuple[str, ...]) -> None:
        headers = Headers(scope=scope)
        if self._policy == "off":
            if is_foreign(headers):
                raise Refusal(403, "a page of another site asks for this")
        elif not (self._policy == "loopback-free" and is_local(scope)):
            scope[_KEY] = await self._look_at_key(headers, needed)

    async def _look_at_key(self, headers: Headers, needed: tuple[str, ...]) -> str:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text:
            raise Refusal(401, "expected an API key: Authorization: Bearer sluice_…", headers=_CHALLENGE)
        key = await self._keyring.find(text.strip())
        if key is None:
            raise Refusal(401, "the API key is invalid or revoked", headers=_CHALLENGE)
        seconds = self._pace.take(key.id)
        if seconds:
            retry_after = {"Retry-After": str(math.ceil(seconds))}
            raise Refusal(429, "the API key exceeds its rate", headers=retry_after)
        for scope in needed:
            if scope not in key.scopes:
                raise Refusal(403, f"the API key lacks the scope {scope}")
        return key.id


def key_of(scope: Scope) -> str | None:
    """The id of a request's API key; None where none is needed."""
    key: str | None = scope.get(_KEY)
    return key


def is_local(scope: Scope) -> bool:
    """Whether a request was made on this machine, to this machine: not passed on by a proxy, not made by a page of
    another site, and not a fetcher's call to a vendor."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    if client is None or is_foreign(headers) or any(name in headers for name in _OF_OTHERS):
        return False
    return _names_loopback(headers.get("host", "")) and _is_loopback(client[0])


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another origin made the request (Fetch, `Origin`; Fetch Metadata,
    `Sec-Fetch-Site`). Behind a proxy the scheme of the request is unknown, so origins are compared by host and port."""
    site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
    if site not in _OWN_SITES:
        return True
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


@lru_cache(maxsize=256)
def _names_loopback(host: str) -> bool:
    asked = literal_address(_host(host))
    return asked is not None and asked.is_loopback


@lru_cache(maxsize=256)
def _is_loopback(address: str) -> bool:
    try:
        found: Any = ip_address(address)
    except ValueError:
        return False
    return bool((getattr(found, "ipv4_mapped", None) or found).is_loopback)


def _host(header: str) -> str:
    """Without the port."""
    return header.partition("]")[0] + "]" if header.startswith("[") else header.partition(":")[0]


def describe_access(found: dict[str, Any]) -> None:
    """Say in the API's description which scope each operation needs."""
    found["components"]["securitySchemes"] = {"key": SECURITY}
    statuses = (401, 403, 429)
    refused = {str(status): answer for status, answer in problem_responses(*statuses).items() if status in statuses}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            needed = needed_scopes(method.upper(), path)
            operation["security"] = [] if needed is None else [{"key": list(needed)}]
            if needed is not None:
                operation["responses"] |= refused
