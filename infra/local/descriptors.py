"""How many files and connections a process may have open."""

import resource

ENOUGH = 4096


def raise_descriptor_limit() -> None:
    """Raise the limit of this process, and of those that it starts, to what our programs need: on macOS it is 256 unless
    somebody raised it. A higher one stays, and one that the system forbids to raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
