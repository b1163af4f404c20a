"""Addresses of this machine beside 127.0.0.1, by which tests tell clients apart."""

import socket

import pytest


def _there(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


more_addresses = pytest.mark.skipif(
    not (_there("127.0.0.2") and _there("127.0.0.3")),
    reason="needs 127.0.0.2 and 127.0.0.3; on macOS: sudo ifconfig lo0 alias 127.0.0.2 up, and so the other",
)
