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
from benchmarks.processor import cpu_seconds
from benchmarks.realtime import peers
from benchmarks.realtime.crowd import Crowd
from benchmarks.servers import data_directory
from infra.local.stack import Stack
from tests.serving import free_port

OURS: Final = "Comanda"
THEIRS: Final = "Node socket.io"
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
# Seconds between two of what is told at a pace.
PAUSE: Final = 0.5
Figures = dict[str, float]


@dataclass(frozen=True)
class Effort:
    """How much is done."""

    rounds: int
    clients: int
    events: int


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
    """Measure, print the table, and with --write put it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds instead of five")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    effort = Effort(2 if asked.quick else 5, 5_000, 20)
    peers.install()
    with tempfile.TemporaryDirectory(prefix="comanda-realtime-") as directory:
        found = _measured(data_directory(Path(directory)), effort)
    command = "python -m benchmarks.realtime" + (" --quick" if asked.quick else "")
    text = "\n".join([_setting(command, effort), _table(found)])
    print(text)
    if asked.write:
        page.write("realtime", text)


def _measured(data: Path, effort: Effort) -> dict[str, list[tuple[Figures, Figures]]]:
    """By figure, pairs of the same round."""
    here, there = _cores()
    os.sched_setaffinity(0, there)
    pairs: dict[str, list[tuple[Figures, Figures]]] = defaultdict(list)
    ours = [sys.executable, "-m", "benchmarks.realtime.ours"]
    with Stack(data, replicas=0) as stack:
        url = stack.start().redis_url
        for number in range(effort.rounds):
            for case in (_one_room, _many_rooms, _a_room_each, _idle):
                print(f"Round {number + 1}: {case.__name__[1:]}", file=sys.stderr, flush=True)
                figures = []
                for command in (ours, peers.command()):
                    with _running(command, url, here) as server:
                        figures.append(uvloop.run(case(server, effort)))
                pairs[case.__name__].append((figures[0], figures[1]))
    return pairs


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
    before, at_first = server.memory, server.cpu
    crowd = Crowd(server.port)
    await crowd.come(["all"] * effort.clients)
    connect = (server.cpu - at_first) / effort.clients
    memory = (server.memory - before) / effort.clients
    found = await _told(server, crowd, ["all"] * effort.events, effort.clients)
    paced = await _paced(server, crowd, [["all"]] * (effort.events // 2), effort.clients)
    at_last = server.cpu
    crowd.go()
    await asyncio.sleep(2)
    return {
        "connect and join, CPU µs": connect * 1e6,
        "memory a subscribed client, KB": memory / 1024,
        "room of 5,000: CPU µs a delivery": found["cpu"],
        "room of 5,000: deliveries a second": found["rate"],
        "room of 5,000, twice a second: CPU µs a delivery": paced["cpu"],
        "room of 5,000, twice a second: p50, ms": paced["p50"],
        "room of 5,000, twice a second: p99, ms": paced["p99"],
        "all leave at once: CPU µs each": (server.cpu - at_last) / effort.clients * 1e6,
    }


async def _many_rooms(server: Server, effort: Effort) -> Figures:
    """Fifty rooms."""
    rooms = [f"room{number}" for number in range(50)]
    crowd = Crowd(server.port)
    await crowd.come([rooms[number % 50] for number in range(effort.clients)])
    found = await _told(server, crowd, rooms * effort.events, effort.clients // 50)
    crowd.go()
    return {"50 rooms of 100: CPU µs a delivery": found["cpu"]}


async def _a_room_each(server: Server, effort: Effort) -> Figures:
    """A room each, as those of orders are."""
    rooms = [f"order:{number}" for number in range(effort.clients)]
    crowd = Crowd(server.port)
    await crowd.come(list(rooms))
    found = await _told(server, crowd, rooms * 2, 1)
    paced = await _paced(server, crowd, [rooms[n * 50 : n * 50 + 50] for n in range(20)], 1, 0.1)
    crowd.go()
    return {
        "room of 1, through Redis: CPU µs an event": found["cpu"],
        "room of 1, through Redis: events a second": found["rate"],
        "room of 1, 500 a second: p50, ms": paced["p50"],
        "room of 1, 500 a second: p99, ms": paced["p99"],
    }


async def _idle(server: Server, effort: Effort) -> Figures:
    """Nobody says anything but pings."""
    before = server.memory
    crowd = Crowd(server.port)
    await crowd.come([None] * effort.clients)
    memory = (server.memory - before) / effort.clients
    began = server.cpu
    # A ping of everybody, and a bit.
    await asyncio.sleep(27)
    share = (server.cpu - began) / 27
    crowd.go()
    return {"memory an idle client, KB": memory / 1024, "5,000 idle: % of a core": share * 100}


async def _told(server: Server, crowd: Crowd, rooms: list[str], members: int) -> Figures:
    """One right after the other."""
    deliveries = len(rooms) * members
    crowd.expect(deliveries)
    at, cpu = asyncio.get_running_loop().time(), server.cpu
    # Not more under way than somebody sends: Redis, too, has bounds.
    for n in range(0, len(rooms), 500):
        server.tell(rooms[n : n + 500])
    await crowd.arrive()
    seconds = asyncio.get_running_loop().time() - at
    return {"cpu": (server.cpu - cpu) / deliveries * 1e6, "rate": deliveries / seconds}


async def _paced(
    server: Server, crowd: Crowd, told: list[list[str]], members: int, pause: float = PAUSE
) -> Figures:
    """With pauses in between."""
    deliveries = sum(map(len, told)) * members
    crowd.expect(deliveries)
    cpu = server.cpu
    for rooms in told:
        server.tell(rooms)
        await asyncio.sleep(pause)
    await crowd.arrive()
    latencies = sorted(crowd.latencies)
    return {
        "cpu": (server.cpu - cpu) / deliveries * 1e6,
        "p50": latencies[len(latencies) // 2] / 1000,
        "p99": latencies[len(latencies) * 99 // 100] / 1000,
    }


def _table(pairs: dict[str, list[tuple[Figures, Figures]]]) -> str:
    lines = [f"| what | {OURS} | {THEIRS} | ratio of pairs |", "|---|---|---|---|"]
    for rounds in pairs.values():
        for name in rounds[0][0]:
            ours = [each[name] for each, _ in rounds]
            theirs = [each[name] for _, each in rounds]
            ratios = [one / other for one, other in zip(ours, theirs, strict=True) if other]
            shown = (
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                if ratios
                else "-"
            )
            middle = f"{statistics.median(ours):,.1f} | {statistics.median(theirs):,.1f}"
            lines.append(f"| {name} | {middle} | {shown} |")
    return "\n".join(lines) + "\n"


def _setting(command: str, effort: Effort) -> str:
    packages = ", ".join(peers.PACKAGES)
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: medians of {effort.rounds} interleaved rounds "
        f"with {effort.clients:,} clients, the server on one core and they on another. "
        f"{page.machine()}. Python {platform.python_version()}; {peers.node()} with {packages}.\n"
    )


if __name__ == "__main__":
    main()
