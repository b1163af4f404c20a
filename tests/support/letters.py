"""Dead letters by what was wrong with the records that they are of: tests name that in the records' keys."""

import base64

from tests.support.topic_reader import TopicReader


def reasons(dead: TopicReader) -> dict[str, str]:
    """The reason of each dead letter by its record's key."""
    return {
        base64.b64decode(letter["original"]["key"]).decode(): letter["reason"]
        for letter in dead.values
        if letter["original"].get("key")
    }
