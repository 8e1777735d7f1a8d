"""Thousands of phones that keep their connections, and ask at a rate that no server slows down."""

import asyncio
import itertools
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

import uvloop

from benchmarks.api.load import Connection, Load, connected

# Connections that are opened at once: a listen queue has an end.
_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Crowd:
    """So many connections, requests a second, and seconds."""

    connections: int = 5000
    rate: int = 500
    seconds: int = 60


@dataclass(frozen=True)
class Came:
    """What became of it; latencies (seconds) count from when a request was due."""

    latencies: list[float]
    statuses: Counter[int]
    failed: int

    def __str__(self) -> str:
        centiles = quantiles(self.latencies, n=100)
        asked = len(self.latencies) + self.failed
        wrong = self.failed + sum(n for status, n in self.statuses.items() if status >= 400)
        times = ", ".join(f"p{n} {centiles[n - 1] * 1e3:.1f} ms" for n in (50, 95, 99))
        return f"{asked:,} requests, {wrong / asked:.2%} errors, {times}"


def allow_many() -> None:
    """As many open sockets as this machine lets us and whom we start have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def come(port: int, requests: Sequence[bytes], crowd: Crowd) -> Came:
    """All connect, then one after the other asks."""
    return uvloop.run(_come(port, requests, crowd))


async def _come(port: int, requests: Sequence[bytes], crowd: Crowd) -> Came:
    load = Load()
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(0, crowd.connections, _AT_ONCE):
        opening = (connected(port, load, Connection) for _ in range(_AT_ONCE))
        for connection in await asyncio.gather(*opening):
            idle.put_nowait(connection)
    latencies: list[float] = []
    failed = 0

    async def ask(request: bytes, due: float) -> None:
        nonlocal failed
        connection = await idle.get()
        try:
            await connection.ask(request)
            latencies.append(time.perf_counter() - due)
        except ConnectionError:
            failed += 1
        else:
            idle.put_nowait(connection)

    began = time.perf_counter()
    asking = []
    for number, request in enumerate(
        itertools.islice(itertools.cycle(requests), crowd.rate * crowd.seconds)
    ):
        due = began + number / crowd.rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asking.append(asyncio.create_task(ask(request, due)))
    _, late = await asyncio.wait(asking, timeout=crowd.seconds)
    for task in late:
        task.cancel()
    while not idle.empty():
        idle.get_nowait().close()
    return Came(latencies, load.statuses, failed + len(late))
