"""How long a vendor asks to be left alone: `Retry-After` (RFC 9110, section 10.2.3), `RateLimit` (IETF draft 10) and
the older `X-RateLimit-*` fields. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_RESET_FIELDS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after")
_EPOCH_FROM = 1_000_000_000
_EPOCH_MILLISECONDS_FROM = 100_000_000_000
_FAR_FUTURE = 32_503_680_000
_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{0,9})?")
_STRUCTURED_RESET = re.compile(r";\s*t=(\d{1,9})\b")


def pause_until(headers: Mapping[str, str], now: datetime, longest: timedelta) -> datetime | None:
    """Until when to wait, never longer than `longest`; nothing if the vendor does not say, or says nonsense."""
    found = _retry_after(headers.get("retry-after", ""), now)
    if found is None:
        found = _reset(headers, now)
    if found is None:
        return None
    return min(max(found, now), now + longest)


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
