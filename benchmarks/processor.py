"""CPU seconds of a server: of all its processes, those that have ended included."""

import os
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    """User and system time of the process `root` and all below it, in steps of 10 ms (proc(5))."""
    times: dict[int, int] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything, so what follows is cut off from behind.
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        process = int(directory.name)
        children[int(fields[1])].append(process)
        # utime, stime, and the same of children that have ended and been waited for.
        times[process] = sum(map(int, fields[11:15]))
    total, family = 0, [root]
    while family:
        process = family.pop()
        total += times.get(process, 0)
        family += children[process]
    return total / _TICKS


def children_named(part: str) -> list[int]:
    """Our own child processes that have `part` in their command line."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and part in (directory / "cmdline").read_text():
                found.append(int(directory.name))
        except OSError:
            continue
    return found
