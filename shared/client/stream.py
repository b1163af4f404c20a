"""Server-sent events (WHATWG HTML, 9.2.6) from bytes as they come. Pure.

Lines end with LF or CR LF and nothing else: JSON text may hold U+2028 and U+0085, which Python's own splitting of
lines takes for ends.
"""

from collections.abc import Iterator

from pydantic_core import from_json

from shared.api_models import JobEvent


class EventParser:
    """Fed with chunks cut anywhere; gives each event once its empty line has come."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._name = ""
        self._sequence = ""

    def feed(self, chunk: bytes) -> Iterator[JobEvent]:
        """The events that this chunk completes.

        Raises:
            ValueError: an event's data is no JSON.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._take(line.removesuffix(b"\r"))
            if event is not None:
                yield event

    def _take(self, line: bytes) -> JobEvent | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
            case b"event":
                self._name = value.decode("utf-8", errors="replace")
            case b"id":
                self._sequence = value.decode("utf-8", errors="replace")
        return None

    def _complete(self) -> JobEvent | None:
        data, name = b"\n".join(self._data), self._name
        self._data, self._name = [], ""
        return JobEvent(name=name, sequence=self._sequence, data=from_json(data)) if data else None
