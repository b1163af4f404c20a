"""A process that can open nothing more."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_STREAMS = 3


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process, with all files and sockets that it may have; those that are open stay."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD_STREAMS, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
