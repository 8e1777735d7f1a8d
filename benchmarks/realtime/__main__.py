"""`python -m benchmarks.realtime`: our sockets beside Node's socket.io with its Redis adapter."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.pictures.application import environment
from benchmarks.processor import cpu_seconds
from benchmarks.realtime import floor, lunch, peers
from benchmarks.realtime.crowd import Crowd
from benchmarks.servers import data_directory
from infra.local.stack import Stack
from tests.serving import free_port

OURS: Final = "Comanda"
THEIRS: Final = "Node socket.io"
FLOOR: Final = "send(2) in C"
# An order's news, some 330 bytes with what frames it.
BODY: Final = {
    "orderId": 20001,
    "cafeteriaId": 1,
    "status": "preparing",
    "totalAmount": "12.50",
    "pickupCode": "J6P",
    "version": 3,
    "fence": "1a2b3c4d",
    "at": "2026-11-24T09:30:00.123456Z",
    "note": "x" * 90,
}
# A ping of everybody, and a bit.
IDLE_SECONDS: Final = 27.0
Figures = dict[str, float]
Rounds = dict[str, list[dict[str, Figures]]]
"""By case, the figures of each server in each round."""


@dataclass(frozen=True)
class Effort:
    """How much is done: some four minutes, or two."""

    rounds: int
    clients: int = 5_000
    events: int = 20


class Server:
    """A process that is told on standard input what to tell."""

    def __init__(self, command: list[str], redis_url: str, cores: set[int]) -> None:
        self.port = free_port()
        given = {**os.environ, "PORT": str(self.port), "REDIS_URL": redis_url}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=given, stdin=pipe, stdout=pipe)
        os.sched_setaffinity(self._process.pid, cores)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{command[-1]} did not start; try it by hand.")

    def tell(self, rooms: list[str]) -> None:
        """Have an event told to each of these rooms."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"rooms": rooms, "body": BODY}).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def cpu(self) -> float:
        """Seconds so far."""
        return cpu_seconds(self._process.pid)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    effort = Effort(1 if asked.quick else 3)
    peers.install()
    allow_many()
    with tempfile.TemporaryDirectory(prefix="comanda-realtime-") as directory:
        data = data_directory(Path(directory))
        with Stack(data, replicas=0) as stack:
            # Before it is given a core of its own.
            told = lunch.measured(addresses := environment(stack))
            _say(str(told))
            found = _measured(Path(directory), addresses["COMANDA_REDIS_URL"], effort)
    command = "python -m benchmarks.realtime" + (" --quick" if asked.quick else "")
    text = "\n".join([_setting(command, effort), _table(found), f"{told}\n"])
    print(text)
    if asked.write:
        page.write("realtime", text)


def _measured(directory: Path, redis_url: str, effort: Effort) -> Rounds:
    here, there = _cores()
    os.sched_setaffinity(0, there)
    both = {OURS: [sys.executable, "-m", "benchmarks.realtime.ours"], THEIRS: peers.command()}
    bare = floor.built(directory)
    all_three = both if bare is None else both | {FLOOR: bare}
    rounds: Rounds = defaultdict(list)
    for number in range(effort.rounds):
        for case, commands in ((_one_room, all_three), (_a_room_each, both), (_idle, both)):
            if case is _idle and number:
                # Half a minute in which nothing happens is the same every time.
                continue
            _say(f"Round {number + 1}: {case.__name__[1:]}")
            figures = {}
            for name, command in commands.items():
                with _running(command, redis_url, here) as server:
                    figures[name] = uvloop.run(case(server, effort))
            rounds[case.__name__].append(figures)
    return rounds


@contextmanager
def _running(command: list[str], url: str, cores: set[int]) -> Iterator[Server]:
    server = Server(command, url, cores)
    try:
        yield server
    finally:
        server.stop()


def _cores() -> tuple[set[int], set[int]]:
    """For the server, and for its clients."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


async def _one_room(server: Server, effort: Effort) -> Figures:
    """Everybody in one room."""
    at_first = server.cpu
    crowd = Crowd(server.port)
    await crowd.come(["all"] * effort.clients)
    connect = (server.cpu - at_first) / effort.clients
    deliveries = effort.clients * effort.events
    single = await _told(server, crowd, [["all"]] * effort.events, effort.clients)
    latencies = sorted(crowd.latencies)
    together = await _told(server, crowd, [["all"] * effort.events], effort.clients)
    at_last = server.cpu
    crowd.go()
    await asyncio.sleep(2)
    return {
        "connect and join: CPU µs each": connect * 1e6,
        "room of 5,000, an event at a time: CPU µs a delivery": single.cpu,
        "room of 5,000, an event at a time: deliveries a second": deliveries / single.seconds,
        "room of 5,000, an event at a time: p50, ms": latencies[len(latencies) // 2] / 1000,
        "room of 5,000, an event at a time: p99, ms": latencies[len(latencies) * 99 // 100] / 1000,
        "room of 5,000, 20 events at once: CPU µs a delivery": together.cpu,
        "room of 5,000, 20 events at once: deliveries a second": deliveries / together.seconds,
        "all leave at once: CPU µs each": (server.cpu - at_last) / effort.clients * 1e6,
    }


async def _a_room_each(server: Server, effort: Effort) -> Figures:
    """A room each, as those of orders are."""
    before = server.memory
    rooms = [f"order:{number}" for number in range(effort.clients)]
    crowd = Crowd(server.port)
    await crowd.come(list(rooms))
    memory = (server.memory - before) / effort.clients
    found = await _told(server, crowd, [rooms] * 4, 1)
    await _told(server, crowd, [rooms[n : n + 50] for n in range(0, 1000, 50)], 1)
    latencies = sorted(crowd.latencies)
    crowd.go()
    return {
        "memory a subscribed client, KB": memory / 1024,
        "room of 1, through Redis: CPU µs an event": found.cpu,
        "room of 1, through Redis: events a second": 4 * len(rooms) / found.seconds,
        "room of 1, 50 events at once: p50, ms": latencies[len(latencies) // 2] / 1000,
        "room of 1, 50 events at once: p99, ms": latencies[len(latencies) * 99 // 100] / 1000,
    }


async def _idle(server: Server, effort: Effort) -> Figures:
    """Nobody says anything but pings."""
    before = server.memory
    crowd = Crowd(server.port)
    await crowd.come([None] * effort.clients)
    memory = (server.memory - before) / effort.clients
    began = server.cpu
    await asyncio.sleep(IDLE_SECONDS)
    share = (server.cpu - began) / IDLE_SECONDS
    crowd.go()
    return {"memory an idle client, KB": memory / 1024, "5,000 idle: % of a core": share * 100}


@dataclass(frozen=True)
class Cost:
    """CPU microseconds a delivery, and the seconds that all of them took."""

    cpu: float
    seconds: float


async def _told(server: Server, crowd: Crowd, turns: list[list[str]], members: int) -> Cost:
    """What is told in a turn is told at once; the next one waits until all of it has arrived."""
    crowd.latencies.clear()
    at, cpu = asyncio.get_running_loop().time(), server.cpu
    for rooms in turns:
        crowd.expect(len(rooms) * members)
        # No more in a message than somebody sends.
        for n in range(0, len(rooms), 500):
            server.tell(rooms[n : n + 500])
        await crowd.arrive()
    seconds = asyncio.get_running_loop().time() - at
    return Cost((server.cpu - cpu) / sum(map(len, turns)) / members * 1e6, seconds)


def _table(rounds: Rounds) -> str:
    lines = [
        f"| what | {OURS} | {THEIRS} | {OURS} to it | {FLOOR} | {OURS} to it |",
        "|---|---|---|---|---|---|",
    ]
    for figures in rounds.values():
        for name in figures[0][OURS]:
            by = {
                who: [each[who][name] for each in figures]
                for who in (OURS, THEIRS, FLOOR)
                if who in figures[0]
            }
            cells = [f"{statistics.median(by[OURS]):,.1f}"]
            for who in (THEIRS, FLOOR):
                cells += _beside(name, by[OURS], by[who]) if who in by else ["", ""]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _beside(name: str, ours: list[float], theirs: list[float]) -> list[str]:
    """What another one takes, and the ratio to it: of CPU the lower of median and minimum."""
    middle = statistics.median(theirs)
    if not min(theirs):
        return [f"{middle:,.1f}", "-"]
    ratio = medians = statistics.median(ours) / middle
    if "CPU" in name:
        ratio = min(medians, min(ours) / min(theirs))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    rounds = f"medians {medians:.2f}, rounds {min(ratios):.2f} to {max(ratios):.2f}"
    return [f"{middle:,.1f}", f"{ratio:.2f} ({rounds})"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _setting(command: str, effort: Effort) -> str:
    packages = ", ".join(peers.PACKAGES)
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: medians of {effort.rounds} interleaved rounds "
        f"with {effort.clients:,} clients, the server on one core and they on another; a ratio of "
        "CPU is the lower of medians' and minima's; in parentheses is that of medians, and what "
        "single rounds came to. "
        f"{page.machine()}. Python {platform.python_version()}; {peers.node()} with {packages}.\n"
    )


if __name__ == "__main__":
    main()
