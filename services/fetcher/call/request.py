"""A task's call and its vendor → the HTTP request. Pure."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit
from uuid import UUID

from pydantic_core import to_json

from shared.events.tasks import Call
from shared.specification.addresses import is_private
from shared.specification.auth import BasicAuth, BearerAuth, HeaderAuth, QueryAuth
from shared.specification.request import CALL_HEADER, OWN_HEADERS
from shared.specification.vendor import Vendor

USER_AGENT = "sluice/0.1"
_SAFE = "/%:@!$&'()*+,;=~-._"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_PARAMETER = re.compile(r"(?<=[?&#])([^?&#=]*)(?:=[^&#]*)?&?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Ready to send. `headers` are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Unsendable:
    """The call must not be made; `reason` begins with the word that dead letters are grouped by. `no_credential`: nor
    can any other call of the vendor, as its credential is missing."""

    reason: str
    no_credential: bool = False


def build_request(call: Call, vendor: Vendor, secrets: Mapping[str, str], job_id: UUID) -> HttpRequest | Unsendable:
    """Put a call together. A link that leads to another host is refused: credentials would go with it."""
    asked = {name.lower(): value for name, value in call.headers.items()}
    headers = {name: value for name, value in asked.items() if name not in OWN_HEADERS}
    headers |= {
        "user-agent": headers.get("user-agent", USER_AGENT),
        "accept": headers.get("accept", "application/json"),
        "accept-encoding": "gzip",
        "traceparent": f"00-{job_id.hex}-{job_id.hex[16:]}-01",
    }
    credentials, parameters = _credentials(vendor, secrets)
    headers |= credentials | {CALL_HEADER: str(job_id)}
    body = None if call.body is None else to_json(call.body)
    if body is not None:
        headers.setdefault("content-type", "application/json")
    wrong = [name for name, value in headers.items() if not (value.isascii() and value.isprintable())]
    if wrong:
        return Unsendable(f"invalid_request: the header {wrong[0][:64]!r} has a character that headers cannot carry")
    try:
        url = _absolute(call, vendor, parameters)
        return refusal(url, vendor) or HttpRequest(call.method, url, headers, body)
    except ValueError:
        return Unsendable("invalid_request: the URL cannot be read")


def _credentials(vendor: Vendor, secrets: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What the vendor's `auth` adds to headers and query."""
    match vendor.auth:
        case BearerAuth(token=reference):
            return {"authorization": f"Bearer {secrets[reference]}"}, {}
        case BasicAuth(username=username, password=reference):
            pair = base64.b64encode(f"{username}:{secrets[reference]}".encode()).decode()
            return {"authorization": f"Basic {pair}"}, {}
        case HeaderAuth(name=name, value=reference):
            return {name.lower(): secrets[reference]}, {}
        case QueryAuth(name=name, value=reference):
            return {}, {name: secrets[reference]}
        case None:
            return {}, {}


def refusal(url: str, vendor: Vendor) -> Unsendable | None:
    """Why this URL must not be called for this vendor, as far as its text tells; the socket is guarded again."""
    if _origin(url) != _origin(vendor.base_url):
        asked = urlsplit(url)
        return Unsendable(f"next_elsewhere: the vendor's link leads to {asked.scheme}://{asked.hostname}")
    return _not_public(url, vendor)


def redirected(request: HttpRequest, status: int, location: str, vendor: Vendor) -> HttpRequest | Unsendable | None:
    """The request that a redirect leads to; nothing when there is none to follow. Credentials stay with their host."""
    if vendor.network.redirects == "refuse" or status not in _REDIRECTS or not location:
        return None
    try:
        url = urljoin(request.url, location)
        here, there = _origin(request.url), _origin(url)
        refused = _not_public(url, vendor)
    except ValueError:
        return Unsendable("ssrf_blocked: the redirect's target cannot be read")
    if there[0] not in ("http", "https") or (here[0] == "https" and there[0] == "http") or "@" in there[1]:
        return Unsendable("ssrf_blocked: the redirect leads to another scheme, or carries credentials")
    if refused:
        return refused
    headers = dict(request.headers)
    if here != there:
        own = {"authorization", "cookie", vendor.auth.name.lower() if isinstance(vendor.auth, HeaderAuth) else ""}
        headers = {name: value for name, value in headers.items() if name not in own or name == CALL_HEADER}
    if status in _SAME_METHOD or request.method in ("GET", "HEAD"):
        return HttpRequest(request.method, url, headers, request.body)
    headers.pop("content-type", None)
    return HttpRequest("GET", url, headers, None)


def _not_public(url: str, vendor: Vendor) -> Unsendable | None:
    if vendor.network.private_addresses == "refuse" and is_private(url):
        return Unsendable("ssrf_blocked: the address is not public; network.private_addresses would have to allow it")
    return None


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host with any user info, port: what credentials belong to."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc.rstrip(":")
    return parts.scheme, host.lower(), parts.port or _PORTS.get(parts.scheme)


def _absolute(call: Call, vendor: Vendor, credentials: Mapping[str, str]) -> str:
    base = urlsplit(vendor.base_url)
    if call.url is not None:
        return _linked(call.url, vendor, credentials)
    path = base.path.rstrip("/") + quote(call.path, safe=_SAFE)
    return urlunsplit((base.scheme, base.netloc, path or "/", urlencode({**call.query, **credentials}, doseq=True), ""))


def without_credentials(link: str, vendor: Vendor) -> str:
    """A link as it may be reported: without the parameter that carries the vendor's key, which the vendor may have
    repeated in it. A link that cannot be read is no exception, and anything else than a link stays as it is."""
    if not isinstance(vendor.auth, QueryAuth):
        return link
    name = vendor.auth.name
    return _PARAMETER.sub(lambda found: "" if unquote_plus(found[1]) == name else found[0], link)


def _linked(link: str, vendor: Vendor, credentials: Mapping[str, str]) -> str:
    """A next link carries its own query; credentials in it are put in anew, in place of echoed or masked ones."""
    parts = urlsplit(urljoin(vendor.base_url, without_credentials(link, vendor)))
    kept = [part for part in parts.query.split("&") if part]
    query = "&".join([*kept, urlencode(credentials)] if credentials else kept)
    return urlunsplit(parts._replace(query=query, fragment=""))
