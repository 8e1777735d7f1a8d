"""What each part takes of the machine, of all its processes: proc(5)."""

import os
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from infra.local import control

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_NANOSECONDS: Final = 1e9
# Squares in a piece of work, some milliseconds, and how many of these make a median.
_WORK: Final = 30_000
_PACES: Final = 5
CORES: Final = os.cpu_count() or 1

APPLICATION: Final = "application"
PICTURES: Final = "picture processes"
PRIMARY: Final = "PostgreSQL, primary"
REPLICAS: Final = "PostgreSQL, replicas"
REDIS: Final = "Redis"
OBJECTS: Final = "S3"
GENERATOR: Final = "generator"
PARTS: Final = (APPLICATION, PICTURES, PRIMARY, REPLICAS, REDIS, OBJECTS, GENERATOR)
_ROLES: Final = {
    "application": APPLICATION,
    "primary": PRIMARY,
    "valkey": REDIS,
    "s3": OBJECTS,
}
# As a process that renders is started (imaging/worker.py).
_RENDERS: Final = "imaging.worker_process"
# Those that a backend of PostgreSQL has met stay open until it ends, up to a bound of its own
# (max_files_per_process): how many these are says how long it has lived.
_TABLES: Final = re.compile(r"/(base/\d+|global)/\d+[^/]*$")


@dataclass(frozen=True)
class Usage:
    """Of one part: CPU seconds since it began, bytes that it shares with nobody, open files (but
    for those of tables, which are PostgreSQL's own matter), processes, and the seconds for which
    what could run had no core (proc_schedstat)."""

    cpu: float = 0.0
    memory: int = 0
    files: int = 0
    processes: int = 0
    delay: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class _Process:
    parent: int
    ticks: int
    of_ended: int
    """Ticks of children that have ended."""


class Machine:
    """The stack under `data`, and the generator's processes."""

    def __init__(self, data: Path, generator: Sequence[int]) -> None:
        self._data = data
        self._generator = generator
        self._delays: dict[int, float] = {}
        self._delayed: defaultdict[str, float] = defaultdict(float)

    def look(self) -> dict[str, Usage]:
        """Each part, as it is now."""
        running = dict(_running())
        children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, process in running.items():
            children[process.parent].append(pid)
        usage = dict.fromkeys(PARTS, Usage())
        delays = {}
        for pid, part in self._parts(running, children):
            files = _files(pid, without_tables=part in (PRIMARY, REPLICAS))
            usage[part] += Usage(running[pid].ticks / _TICKS, _memory(pid), files, 1)
            # In a load run who renders is replaced now and then; nobody else of the application is.
            heir = PICTURES if part == APPLICATION else part
            usage[heir] += Usage(running[pid].of_ended / _TICKS)
            delays[pid] = _delay(pid)
            # Unlike CPU seconds, nobody inherits those of a process that has ended.
            self._delayed[part] += delays[pid] - self._delays.get(pid, 0.0)
        self._delays = delays
        return {part: replace(each, delay=self._delayed[part]) for part, each in usage.items()}

    def _parts(
        self, running: Mapping[int, _Process], children: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, str]]:
        roots = [(pid, GENERATOR) for pid in self._generator]
        for process in control.status(self._data).processes:
            is_replica = process.role.startswith("replica")
            part = REPLICAS if is_replica else _ROLES.get(process.role)
            if part is not None:
                roots.append((process.pid, part))
        while roots:
            pid, part = roots.pop()
            if pid not in running:
                continue
            if part == APPLICATION and _RENDERS in _command(pid):
                part = PICTURES
            yield pid, part
            roots += [(child, part) for child in children.get(pid, ())]


def pace() -> float:
    """CPU milliseconds that work which is always the same takes of a core at this moment: where
    others share the machine, or its caches, more, and all that is measured takes more with it."""
    took = []
    for _ in range(_PACES):
        began = time.thread_time_ns()
        sum(number * number for number in range(_WORK))
        took.append((time.thread_time_ns() - began) / 1e6)
    return statistics.median(took)


def busy_seconds() -> float:
    """CPU seconds that all cores together have worked since the machine began."""
    user, nice, system, _, _, irq, softirq, *_ = (
        int(field) for field in (_PROC / "stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS


def _running() -> Iterator[tuple[int, _Process]]:
    for directory in _PROC.glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything, so what follows is cut off from behind.
            found = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        # utime, stime, and the same of children that have ended and been waited for.
        user, system, *of_ended = map(int, found[11:15])
        yield int(directory.name), _Process(int(found[1]), user + system, sum(of_ended))


def _memory(pid: int) -> int:
    # What is shared, such as PostgreSQL's buffers, is nobody's; smaps would know shares of it, and
    # takes as long as some requests.
    _, resident, shared, *_ = _read(pid, "statm").split() or ("0", "0", "0")
    return (int(resident) - int(shared)) * _PAGE


def _files(pid: int, *, without_tables: bool) -> int:
    directory = f"{_PROC}/{pid}/fd"
    try:
        numbers = os.listdir(directory)
    except OSError:
        return 0
    if not without_tables:
        return len(numbers)
    return sum(_TABLES.search(_target(f"{directory}/{number}")) is None for number in numbers)


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""  # it has just been closed


def _delay(pid: int) -> float:
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return 0.0
    told = [_read(pid, f"task/{thread.name}/schedstat").split() for thread in threads]
    return sum(int(each[1]) for each in told if each) / _NANOSECONDS


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text("utf-8", "replace")
    except OSError:
        return ""
