"""Server-sent events come out whole, wherever the bytes are cut and whatever text they hold."""

from collections.abc import Sequence
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.api_models import JobEvent
from shared.client.stream import EventParser

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(["\u2028", "\x85", "\r", "\x0b", "a\nb"])


def wire(texts: Sequence[str], end: bytes = b"\n") -> bytes:
    return b"".join(
        end.join(
            (f"id: {number}".encode(), b"event: job.progressed", b"data: " + orjson.dumps({"text": text}), b"", b"")
        )
        for number, text in enumerate(texts)
    )


def parsed(*chunks: bytes) -> list[JobEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(st.lists(TEXTS, max_size=5), st.lists(st.integers(0, 400), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_events_survive_any_text_and_any_cut(texts: list[str], cuts: list[int], end: bytes) -> None:
    sent = wire(texts, end)
    places = [0, *sorted(cuts), len(sent)]
    chunks = [sent[start:stop] for start, stop in pairwise(places)]
    found = parsed(*chunks)
    assert [event.data["text"] for event in found] == texts
    assert [event.sequence for event in found] == [str(number) for number in range(len(texts))]


def test_comments_keep_the_connection_alive_and_say_nothing() -> None:
    assert parsed(b": still here\n\n", b"\n\n", wire(["x"]))[0].data == {"text": "x"}


def test_an_event_that_was_cut_off_is_not_told() -> None:
    assert not parsed(wire(["x"])[:-1])


def test_data_in_several_lines_is_one_text() -> None:
    [event] = parsed(b'id:7\nevent:e\ndata:{"a":\ndata: 1}\n\n')
    assert (event.name, event.sequence, event.data) == ("e", "7", {"a": 1})
