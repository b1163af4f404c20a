"""JSON text of records. Pure."""

import json
from typing import Any

import orjson


def write_json(content: Any, *, sorted_names: bool = False) -> bytes:
    """Content as JSON text.

    Raises:
        ValueError: it is nested too deeply, or holds half of a surrogate pair.
    """
    try:
        written = orjson.dumps(content, option=orjson.OPT_SORT_KEYS if sorted_names else None)
        # orjson writes into a kilobyte and gives back a piece of it; kept as they are, a hundred thousand small records
        # would hold a hundred megabytes of leftovers between them. A copy takes what it needs.
        return bytes(memoryview(written))
    except TypeError:
        pass
    try:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, sort_keys=sorted_names)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return text.encode()
