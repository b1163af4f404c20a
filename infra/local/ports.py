"""Ports of this machine that nobody listens on."""

import random
import socket
from collections.abc import Iterator
from itertools import islice

from infra.local.errors import StackError

# Below the range from which systems take the ports of outgoing connections: a client that keeps dialling a dead
# server could otherwise be given the server's own port and connect to itself.
PORTS = range(20_000, 30_000)


def _in_turn() -> Iterator[int]:
    """All of them at random, again and again: whoever was given one listens there only later, so none comes twice before
    all others have come."""
    while True:
        # Not for secrets: two stacks started at once should merely not try the same ports.
        yield from random.SystemRandom().sample(PORTS, len(PORTS))


_PORTS = _in_turn()


def free_ports(count: int) -> list[int]:
    """Some, at random.

    Raises:
        StackError: so many are not free.
    """
    found: list[int] = []
    for port in islice(_PORTS, len(PORTS)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"No free port between {PORTS.start} and {PORTS.stop}.")


def free_port() -> int:
    """One, at random."""
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    """Whether a server could listen there and be the one who is reached."""
    with socket.socket() as caller:
        # On macOS one may listen at 127.0.0.1 although somebody listens at all addresses.
        caller.settimeout(1)
        if caller.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        # As the servers do: connections that still linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
