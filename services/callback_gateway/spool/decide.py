"""What may be forgotten of a block that was produced, and what rests. Pure."""

from collections.abc import Iterable

from shared.messaging.handler import Outgoing

OrderKey = tuple[str, str]
"""A topic and a key: messages under the same two keep their order."""


def order_key(message: Outgoing) -> OrderKey:
    """What a message keeps its order under."""
    return message.topic, message.key


def settle(produced: Iterable[tuple[int, Outgoing, bool]]) -> tuple[list[int], set[OrderKey]]:
    """The numbers of the messages that are done with, and the order keys that rest: what came after a message that was
    not acknowledged, under the same key, is sent again behind it."""
    done: list[int] = []
    stuck: set[OrderKey] = set()
    for number, message, acknowledged in produced:
        if not acknowledged:
            stuck.add(order_key(message))
        if order_key(message) not in stuck:
            done.append(number)
    return done, stuck
