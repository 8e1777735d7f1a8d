"""CPU seconds of a server: of all its processes, those that have ended included."""

import os
import time
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    """User and system time of the process `root` and all below it; to the nanosecond, but for
    children that have ended, of which the kernel keeps steps of 10 ms (proc(5))."""
    times: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for directory in Path("/proc").glob("[0-9]*"):
        process = int(directory.name)
        try:
            # The name, in parentheses, may hold anything, so what follows is cut off from behind.
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            spent = time.clock_gettime(_clock(process))
        except OSError:
            continue  # it has just ended
        children[int(fields[1])].append(process)
        times[process] = spent + sum(map(int, fields[13:15])) / _TICKS
    total, family = 0.0, [root]
    while family:
        process = family.pop()
        total += times.get(process, 0.0)
        family += children[process]
    return total


def _clock(process: int) -> int:
    """Of all that its threads have run, as clock_getcpuclockid(3) makes it of a process."""
    return ~process << 3 | 2


def children_named(part: str, parent: int | None = None) -> list[int]:
    """The child processes of `parent`, or our own, that have `part` in their command line."""
    found = []
    parent = parent or os.getpid()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and part in (directory / "cmdline").read_text():
                found.append(int(directory.name))
        except OSError:
            continue
    return found
