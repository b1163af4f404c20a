"""How long a vendor asks to be left alone: `Retry-After` (RFC 9110, section 10.2.3), `RateLimit` (IETF draft 10), the
older `X-RateLimit-*` headers, and before all of these the header that the vendor's document names. Pure."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_RESET_FIELDS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after")
_REMAINING_FIELDS = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
_EPOCH_FROM = 1_000_000_000
_EPOCH_MILLISECONDS_FROM = 100_000_000_000
_FAR_FUTURE = 32_503_680_000
_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,9})?")
_SPENT = re.compile(r"0+(?:\.0*)?")
_STRUCTURED_SPENT = re.compile(r";\s*r=0+\b")
_STRUCTURED_RESET = re.compile(r";\s*t=(\d{1,9})\b")


def pause_until(headers: Mapping[str, str], now: datetime, longest: timedelta, own: str = "") -> datetime | None:
    """Until when to wait, never longer than `longest`; nothing if the vendor does not say, or says nonsense. `own`: the
    name of a reset header of the vendor's own. If its time is over, the other headers count."""
    found = _own_reset(headers, now, own) or _retry_after(headers.get("retry-after", ""), now)
    if found is None:
        found = _reset(headers, now)
    if found is None:
        return None
    return min(max(found, now), now + longest)


def spent_until(
    headers: Mapping[str, str], now: datetime, known: timedelta, longest: timedelta, own: str = ""
) -> datetime | None:
    """Until when a quota is used up that a good answer calls used up. One that is back within `known`, the longest
    window of the contract, is kept by the permits already: waiting for it as well would waste them."""
    remaining = next((text for name in _REMAINING_FIELDS if (text := headers.get(name))), "").strip()
    if not _SPENT.fullmatch(remaining) and not _STRUCTURED_SPENT.search(headers.get("ratelimit", "")):
        return None
    found = _own_reset(headers, now, own) or _reset(headers, now)
    return min(found, now + longest) if found is not None and found > now + known else None


def _own_reset(headers: Mapping[str, str], now: datetime, own: str) -> datetime | None:
    found = _moment(headers.get(own.lower(), ""), now)
    return found if found is not None and found > now else None


def _retry_after(text: str, now: datetime) -> datetime | None:
    text = text.strip()
    return _later(now, float(text)) if _SECONDS.fullmatch(text) else _date(text, now)


def _reset(headers: Mapping[str, str], now: datetime) -> datetime | None:
    structured = _STRUCTURED_RESET.search(headers.get("ratelimit", ""))
    if structured:
        return _later(now, int(structured[1]))
    moments = (_moment(headers.get(name, ""), now) for name in _RESET_FIELDS)
    return next((moment for moment in moments if moment is not None), None)


def _moment(text: str, now: datetime) -> datetime | None:
    """A time in any form that vendors use: seconds from now, seconds or milliseconds since 1970, or a date."""
    text = text.strip()
    if not _SECONDS.fullmatch(text):
        return _date(text, now)
    number = float(text)
    if number < _EPOCH_FROM:
        return _later(now, number)
    seconds = number / 1000 if number >= _EPOCH_MILLISECONDS_FROM else number
    return datetime.fromtimestamp(min(seconds, _FAR_FUTURE), now.tzinfo)


def _date(text: str, now: datetime) -> datetime | None:
    """An HTTP date or a time of RFC 3339."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError, OverflowError):
            found = read(text[:64])
            return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)
    return None


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, 10**9))
