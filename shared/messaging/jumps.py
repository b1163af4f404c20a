"""Notices that a consumer's position is not in the log any more, and that it goes on elsewhere.

Retention deleted records before they were read, or the topic was made anew, or it lost its end with a leader. aiokafka
then goes on with the oldest record that is left, and reports it at a level that is not logged. A gap that compaction or
the mark of a transaction leaves is no such case: the broker gives what comes behind it.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka import TopicPartition

from shared.observability.logs import get_logger
from shared.observability.metrics import LOST, POSITION_JUMPS

OnJump = Callable[[TopicPartition, int], None]
"""Gets the partition and the position from which the consumer goes on."""

log = get_logger(__name__)


def watch_positions(fetcher: Any, group: str, on_jump: OnJump) -> None:
    """Log and count the jumps of a consumer from now on. aiokafka has no public place for that: its fetcher marks the
    state of a partition whose position the broker refuses, and then asks where the log begins."""
    fetch, find = fetcher._proc_fetch_request, fetcher._proc_offset_request
    refused: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    async def fetch_and_look(assignment: Any, node_id: int, request: Any) -> Any:
        is_new = await fetch(assignment, node_id, request)
        for topic, partitions in request.topics:
            for partition, offset, _ in partitions:
                state = assignment.state_value(TopicPartition(topic, partition))
                if state.awaiting_reset:
                    refused[state] = offset
        return is_new

    async def find_and_look(node_id: int, asked: Any) -> Any:
        found = await find(node_id, asked)
        assignment = fetcher._subscriptions.subscription.assignment
        for at, (to, _) in found.items():
            state = assignment.state_value(at) if assignment and at in assignment.tps else None
            # A state that does not wait was sent elsewhere meanwhile, and is refused again if that is gone, too.
            if state is not None and state.awaiting_reset and state in refused:
                _report(group, at, refused.pop(state), to)
                on_jump(at, to)
        return found

    fetcher._proc_fetch_request, fetcher._proc_offset_request = fetch_and_look, find_and_look


def _report(group: str, at: TopicPartition, position: int, to: int) -> None:
    """How many records are lost is known only where the log goes on behind the position."""
    POSITION_JUMPS.labels(group=group).inc()
    LOST.labels(group=group).inc(max(to - position, 0))
    log.error(
        "position.jumped", group=group, topic=at.topic, partition=at.partition, position=position, goes_on_from=to
    )
