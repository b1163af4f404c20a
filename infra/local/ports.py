"""Ports of this machine that nobody listens on."""

import os
import random
import re
import socket
from collections.abc import Iterator
from functools import cache
from itertools import islice

from infra.local.errors import StackError

# Below the range from which systems take the ports of outgoing connections: a client that keeps dialling a dead
# server could otherwise be given the server's own port and connect to itself.
PORTS = range(20_000, 30_000)

# Two programs that start servers at the same time can be given a range each, such as 20000-24999: neither sees which
# ports the other has chosen and does not listen on yet.
GIVEN_PORTS = "SLUICE_LOCAL_PORTS"


def ports_given() -> range:
    """The range that is given, or all.

    Raises:
        StackError: it is none.
    """
    given = os.environ.get(GIVEN_PORTS, "")
    if not given:
        return PORTS
    bounds = re.fullmatch(r"(\d{1,5})-(\d{1,5})", given)
    least, most = map(int, bounds.groups()) if bounds else (0, 0)
    if not 1 <= least <= most <= 65_535:
        raise StackError(f"{GIVEN_PORTS} is {given!r}, expected two ports such as 20000-24999.")
    return range(least, most + 1)


@cache
def _in_turn(ports: range) -> Iterator[int]:
    """All of them at random, again and again: whoever was given one listens there only later, so none comes twice before
    all others have come. For one range there is one iterator in the process."""
    while True:
        # Not for secrets: two stacks started at once should merely not try the same ports.
        yield from random.SystemRandom().sample(ports, len(ports))


def free_ports(count: int) -> list[int]:
    """Some, at random.

    Raises:
        StackError: so many are not free, or the range is none.
    """
    ports, found = ports_given(), list[int]()
    for port in islice(_in_turn(ports), len(ports)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"{count} free ports are needed, and between {ports[0]} and {ports[-1]} are {len(found)}.")


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
