"""When a request reached this machine, whatever kept its processors from reading it."""

import asyncio
import socket
import sys

_TCP_INFO = getattr(socket, "TCP_INFO", None)
"""Linux only: elsewhere a request has come when it is read."""
_LAST_DATA_RECV = slice(52, 56)
"""Where `struct tcp_info` (linux/tcp.h) has `tcpi_last_data_recv`, in milliseconds."""


def unread_seconds(transport: asyncio.Transport) -> float:
    """How long ago the last bytes of a connection came, as the kernel tells it, in steps of a few milliseconds."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if _TCP_INFO is None or connection is None:
        return 0.0
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_RECV.stop)
    except OSError:  # the client has gone meanwhile
        return 0.0
    return int.from_bytes(told[_LAST_DATA_RECV], sys.byteorder) / 1000
