"""Which process is meant by a pid, also after the pid was given to another one.

A pid alone is no identity: the kernel reuses it. With the moment of birth it is one, until the next boot; the boot's
own id covers that. Linux is read from /proc; elsewhere (macOS) `ps` answers the same questions.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

PROC = Path("/proc")
KIBIBYTE = 1024


class Process(BaseModel):
    """One process, distinguished from a later one with the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    born: str


@dataclass(frozen=True)
class Row:
    """What the kernel says about a living process (a zombie is not living)."""

    pid: int
    parent: int
    born: str
    name: str
    resident_bytes: int


def identify(pid: int) -> Process | None:
    """Return the process that has this pid now, or None."""
    row = look_up(pid)
    return Process(pid=row.pid, born=row.born) if row else None


def alive(process: Process | None) -> bool:
    """Tell whether exactly this process still runs."""
    return process is not None and identify(process.pid) == process


def family(pid: int) -> list[Row]:
    """Return the process and all its living descendants, parents first."""
    rows = {row.pid: row for row in _all_rows()}
    found = [rows[pid]] if pid in rows else []
    for row in found:
        found.extend(child for child in rows.values() if child.parent == row.pid)
    return found


def resident_bytes(pid: int) -> int:
    """Return the resident memory of the process and its descendants, shared pages counted once per process."""
    return sum(row.resident_bytes for row in family(pid))


def look_up(pid: int) -> Row | None:
    """Return what is known about a living pid, or None."""
    if (PROC / "self" / "stat").exists():
        return _from_proc(pid)
    return next(iter(_from_ps("-p", str(pid))), None)


def _all_rows() -> list[Row]:
    if not (PROC / "self" / "stat").exists():
        return _from_ps("-A")
    rows = (_from_proc(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [row for row in rows if row]


def _from_proc(pid: int) -> Row | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
        status = (PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    state, parent, threads, start_ticks = fields[0], int(fields[1]), int(fields[17]), fields[19]
    # A killed program shows as a zombie while its other threads still end, and until then it holds its ports.
    if state in "ZX" and threads <= 1:
        return None
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    resident = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "VmRSS: 0")
    return Row(pid, parent, f"{boot}/{start_ticks}", name, int(resident.split()[1]) * KIBIBYTE)


def _from_ps(*selection: str) -> list[Row]:
    # LC_ALL=C: lstart is five words in English and anything elsewhere. TZ: the same ones before and after the clocks
    # are put back. -ww: no column is cut to the width of the terminal.
    done = subprocess.run(
        ["ps", "-ww", *selection, "-o", "pid=,ppid=,rss=,state=,lstart=,comm="],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/bin:/usr/bin", "LC_ALL": "C", "TZ": "UTC0"},
    )
    rows = []
    for line in done.stdout.splitlines():
        pid, parent, kibibytes, state, *born, name = line.split(None, 9)
        if state[0] not in "ZX":
            rows.append(Row(int(pid), int(parent), " ".join(born), Path(name).name, int(kibibytes) * KIBIBYTE))
    return rows
