"""A task's call and its vendor → the HTTP request. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from uuid import UUID

import orjson

from shared.events.tasks import Call
from shared.specification.addresses import is_public, literal_address
from shared.specification.vendor import BasicAuth, BearerAuth, HeaderAuth, QueryAuth, Vendor

USER_AGENT = "sluice/0.1"
_SAFE = "/%:@!$&'()*+,;=~-._"
_FORBIDDEN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Ready to send. `headers` are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The call must not be made; `reason` begins with the word that dead letters are grouped by."""

    reason: str


def build_request(call: Call, vendor: Vendor, secrets: Mapping[str, str], job_id: UUID) -> HttpRequest | Refused:
    """Put a call together. A link that leads to another host is refused: credentials would go with it."""
    query = dict(call.query)
    headers = {name.lower(): value for name, value in call.headers.items() if name.lower() not in _FORBIDDEN_HEADERS}
    headers |= {
        "user-agent": USER_AGENT,
        "accept": headers.get("accept", "application/json"),
        "accept-encoding": "gzip",
        "traceparent": f"00-{job_id.hex}-{job_id.hex[16:]}-01",
    }
    match vendor.auth:
        case BearerAuth(token=reference):
            headers["authorization"] = f"Bearer {secrets[reference]}"
        case BasicAuth(username=username, password=reference):
            pair = base64.b64encode(f"{username}:{secrets[reference]}".encode()).decode()
            headers["authorization"] = f"Basic {pair}"
        case HeaderAuth(name=name, value=reference):
            headers[name.lower()] = secrets[reference]
        case QueryAuth(name=name, value=reference):
            query[name] = secrets[reference]
        case None:
            pass
    body = None if call.body is None else orjson.dumps(call.body)
    if body is not None:
        headers.setdefault("content-type", "application/json")
    url = _absolute(call, vendor, query)
    refused = refusal(url, vendor)
    return refused or HttpRequest(call.method, url, headers, body)


def refusal(url: str, vendor: Vendor) -> Refused | None:
    """Why this URL must not be called for this vendor, as far as its text tells; the socket is guarded again."""
    asked, base = urlsplit(url), urlsplit(vendor.base_url)
    if (asked.scheme, asked.netloc) != (base.scheme, base.netloc):
        return Refused(f"next_elsewhere: the vendor's link leads to {asked.scheme}://{asked.hostname}")
    address = literal_address(asked.hostname or "")
    if address is not None and not is_public(address) and vendor.network.private_addresses == "refuse":
        return Refused("ssrf_blocked: the address is not public; network.private_addresses would have to allow it")
    return None


def _absolute(call: Call, vendor: Vendor, query: Mapping[str, str]) -> str:
    base = urlsplit(vendor.base_url)
    if call.url is not None:
        return _linked(call.url, vendor, query)
    path = base.path.rstrip("/") + quote(call.path, safe=_SAFE)
    return urlunsplit((base.scheme, base.netloc, path or "/", urlencode(query), ""))


def _linked(link: str, vendor: Vendor, query: Mapping[str, str]) -> str:
    """A next link carries its own query; only credentials in the query are added to it."""
    base, parts = urlsplit(vendor.base_url), urlsplit(link)
    if not parts.netloc:
        parts = parts._replace(scheme=base.scheme, netloc=base.netloc)
    if isinstance(vendor.auth, QueryAuth):
        added = urlencode({vendor.auth.name: query[vendor.auth.name]})
        parts = parts._replace(query=f"{parts.query}&{added}" if parts.query else added)
    return urlunsplit(parts._replace(fragment=""))
