"""What may be forgotten of a block that was produced, and what rests. Pure."""

from collections.abc import Iterable

from shared.messaging.handler import Outgoing

Place = tuple[str, str]
"""A topic and a key: messages under the same ones keep their order."""


def place_of(message: Outgoing) -> Place:
    """Where a message keeps its order."""
    return message.topic, message.key


def settle(produced: Iterable[tuple[int, Outgoing, bool]]) -> tuple[list[int], set[Place]]:
    """The numbers of the messages that are done with, and the places that rest: of a place whose message was not
    acknowledged, whatever came after it is sent again behind it."""
    done: list[int] = []
    stuck: set[Place] = set()
    for number, message, acknowledged in produced:
        if not acknowledged:
            stuck.add(place_of(message))
        if place_of(message) not in stuck:
            done.append(number)
    return done, stuck
