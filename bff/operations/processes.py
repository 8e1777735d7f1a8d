"""What this process takes of the machine, and what those take that render pictures for it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICK: Final = os.sysconf("SC_CLK_TCK")
# In /proc/<pid>/stat behind the name, which may hold anything: utime and stime, and rss.
_TIMES: Final = slice(11, 13)
_PAGES: Final = 21

CORES: Final = len(os.sched_getaffinity(0))
"""That this process may use."""


class Taken(NamedTuple):
    """CPU since the start, and memory now, shared pages counted whole."""

    seconds: float
    bytes: int


def of_itself() -> Taken:
    """This process."""
    return _taken("self") or Taken(0.0, 0)


def of_children() -> Taken:
    """Its children; the CPU also of those that have ended."""
    ended = os.times()
    alive = [taken for child in _children() if (taken := _taken(child)) is not None]
    return Taken(
        ended.children_user + ended.children_system + sum(each.seconds for each in alive),
        sum(each.bytes for each in alive),
    )


def _children() -> Iterator[str]:
    try:
        yield from Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        # A kernel that does not tell.
        return


def _taken(process: str) -> Taken | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    words = stat.rpartition(")")[2].split()
    return Taken(sum(map(int, words[_TIMES])) / _TICK, int(words[_PAGES]) * _PAGE)
