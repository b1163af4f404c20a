"""How long a vendor asks to be left alone: `Retry-After` (RFC 9110, section 10.2.3), `RateLimit` (IETF draft 10) and
the older `X-RateLimit-*` fields. Pure."""

import re
from collections.abc import Mapping
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


def pause_until(headers: Mapping[str, str], now: datetime, longest: timedelta) -> datetime | None:
    """Until when to wait, never longer than `longest`; nothing if the vendor does not say, or says nonsense."""
    found = _retry_after(headers.get("retry-after", ""), now)
    if found is None:
        found = _reset(headers, now)
    if found is None:
        return None
    return min(max(found, now), now + longest)


def spent_until(headers: Mapping[str, str], now: datetime, known: timedelta, longest: timedelta) -> datetime | None:
    """Until when a quota is used up that a good answer calls used up. One that is back within `known`, the longest
    window of the contract, is kept by the permits already: waiting for it as well would waste them."""
    remaining = next((text for name in _REMAINING_FIELDS if (text := headers.get(name))), "").strip()
    if not _SPENT.fullmatch(remaining) and not _STRUCTURED_SPENT.search(headers.get("ratelimit", "")):
        return None
    found = _reset(headers, now)
    return min(found, now + longest) if found is not None and found > now + known else None


def _retry_after(text: str, now: datetime) -> datetime | None:
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return _later(now, float(text))
    try:
        found = parsedate_to_datetime(text[:64])
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


def _reset(headers: Mapping[str, str], now: datetime) -> datetime | None:
    structured = _STRUCTURED_RESET.search(headers.get("ratelimit", ""))
    if structured:
        return _later(now, int(structured[1]))
    for name in _RESET_FIELDS:
        text = headers.get(name, "").strip()
        if _SECONDS.fullmatch(text):
            number = float(text)
            if number < _EPOCH_FROM:
                return _later(now, number)
            seconds = number / 1000 if number >= _EPOCH_MILLISECONDS_FROM else number
            return datetime.fromtimestamp(min(seconds, _FAR_FUTURE), now.tzinfo)
    return None


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, 10**9))
