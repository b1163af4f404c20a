"""The largest pages that are taken, and those that are refused, fit into the memory that compose gives a service."""

import subprocess
import sys

import pytest

_WITH_LITTLE_MEMORY = """
import resource, sys
from services.processor.process.decide import take_apart
from services.processor.sinks import topic
from services.processor.sinks.written import Written
from shared.events.catalogue import records_topic
from shared.messaging.ledger import pack
from shared.specification.request import Records
from tests.support.pages import TABLE, TOPIC, stored_payload

MIB, body, sinks = 1024**2, eval(sys.argv[2]), (TOPIC,) if sys.argv[3] == "topic" else (TABLE,)
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[1]) * MIB,) * 2)
page = take_apart(stored_payload(records=Records(select=sys.argv[4] or None), sinks=sinks), body)
pack([event for events in topic.write([page], Written()).values() for event in events])
print(page.failure.reason if page.failure else "taken")
"""
_TEN = f"[{', '.join('@' * 10)}]"
_ORDINARY = '{"id":%d,"name":"customer","email":"c@a.org","amount":9.25,"paid":true,"at":"2026-01-01","tags":["a"]}'


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process in this way")
@pytest.mark.parametrize(
    ("mebibytes", "body", "sink", "expected"),
    [
        (100, "b'[' + b'{},' * 700_000 + b'{}]'", "table", "too_large"),
        (100, "b'[' + b'{},' * 5_000_000 + b'{}]'", "table", "too_large"),
        (100, "b'[' + b'{},' * 99_999 + b'{}]'", "table", "taken"),
        (100, "b'[' + b','.join(b'{\"id\":%d}' % number for number in range(20_000)) + b']'", "topic", "taken"),
        (100, "b'[' + b','.join(b'{\"id\":%d}' % number for number in range(20_001)) + b']'", "topic", "too_large"),
        (300, "b'[[' + b'{\"a\":1},' * 749_000 + b'1]]'", "table", "taken"),
        (200, f"b'[' + b','.join(b'{_ORDINARY}' % number for number in range(99_999)) + b']'", "table", "taken"),
    ],
    ids=["many", "very many", "as many as may be", "as many as a topic takes", "more than that", "in one", "ordinary"],
)
def test_a_page_takes_bounded_memory(mebibytes: int, body: str, sink: str, expected: str) -> None:
    assert _taken_apart(mebibytes, body, sink) == (expected, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process in this way")
@pytest.mark.parametrize("select", [f"body.d | {_TEN}[] | {_TEN}[] | {_TEN}[]", f"body.d[].{_TEN} | {_TEN} | {_TEN}"])
def test_what_a_selection_makes_of_a_small_page_takes_bounded_memory(select: str) -> None:
    body = "b'{\"d\":[' + b'0,' * 24_999 + b'0]}'"
    assert _taken_apart(100, body, "table", select) == ("too_large", "")


def _taken_apart(mebibytes: int, body: str, sink: str, select: str = "") -> tuple[str, str]:
    """What became of a page in a process that has so much memory, and of that process."""
    command = [sys.executable, "-c", _WITH_LITTLE_MEMORY, str(mebibytes), body, sink, select]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return ended.stdout.strip(), ended.stderr[-500:]
