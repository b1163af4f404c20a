"""What a block of the spool leaves behind."""

from services.callback_gateway.spool.decide import settle
from shared.messaging.handler import Outgoing


def test_what_is_behind_a_message_that_was_not_acknowledged_stays_behind_it() -> None:
    one, two, elsewhere = (Outgoing(*order_key, b"", ()) for order_key in (("a", "1"), ("a", "2"), ("b", "1")))
    produced = [(1, one, True), (2, one, False), (3, two, True), (4, one, True), (5, elsewhere, True)]
    assert settle(produced) == ([1, 3, 5], {("a", "1")})
