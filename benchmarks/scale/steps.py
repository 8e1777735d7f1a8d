"""The mix of a visit at a server that is asked ever oftener, beside what the model says of it."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from statistics import quantiles
from typing import Final

import uvloop

from benchmarks.api.load import Connection, Load, connected
from benchmarks.processor import cpu_seconds
from benchmarks.scale.model import KINDS, VISIT, percentile, slowdown
from benchmarks.servers import Beside

SHARES: Final = (0.25, 0.5, 0.75, 0.9)
_CONNECTIONS: Final = 400
_LATE: Final = 30.0
# Requests a second, of one kind.
_UNHURRIED: Final = 200.0
_SEED: Final = 11


@dataclass(frozen=True)
class Step:
    """At so many requests a second: the share of the machine's cores and the milliseconds within
    which 95 of 100 are answered, as the model has it and as it was; the server's part of it, and
    the share that was refused, or not answered within half a minute."""

    rate: float
    predicted: float
    used: float
    predicted_p95: float
    p95: float
    p50: float
    server: float
    refused: float


@dataclass(frozen=True)
class Spent:
    """CPU seconds: of the server, of what is beside it, and of us."""

    server: float
    beside: float
    us: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.server + self.beside + self.us


class Machine:
    """A server with what it needs, and us who ask, on the same cores."""

    def __init__(self, port: int, process: int, requests: Mapping[str, Iterator[bytes]]) -> None:
        self._port = port
        self._process = process
        self._requests = requests
        self._beside = Beside("postgres", "valkey")
        self.cores = len(os.sched_getaffinity(0))

    def steps(self, seconds: float) -> list[Step]:
        """At so many shares of what the machine can take, by what each kind was seen to take."""
        services = self._services()
        whole = sum(VISIT.values())
        mean = sum(VISIT[kind] * services[kind] for kind in KINDS) / whole
        found = []
        for share in SHARES:
            rate = share * self.cores / mean
            slower = slowdown(rate * mean, self.cores)
            late = percentile(0.95, {services[kind]: VISIT[kind] for kind in KINDS}, slower)
            before, began = self._spent(), time.monotonic()
            latencies, refused = uvloop.run(self._driven(rate, seconds))
            elapsed = time.monotonic() - began
            spent = self._since(before)
            parts = quantiles(latencies, n=20)
            found.append(
                Step(
                    len(latencies) / elapsed,
                    share,
                    spent.whole / elapsed / self.cores,
                    late * 1e3,
                    parts[-1] * 1e3,
                    parts[9] * 1e3,
                    spent.server / elapsed,
                    refused / len(latencies),
                )
            )
        return found

    def _services(self) -> dict[str, float]:
        """CPU seconds of all of us for a request of each kind, alone and unhurried."""
        services = {}
        for kind in KINDS:
            for _ in range(2):  # the first time connections are opened
                before = self._spent()
                asked = len(uvloop.run(self._driven(_UNHURRIED, 3.0, kind))[0])
                services[kind] = self._since(before).whole / asked
        return services

    async def _driven(
        self, rate: float, seconds: float, kind: str | None = None
    ) -> tuple[list[float], int]:
        """Seconds from when a request was due until it was answered, as people come: at random;
        and how many were refused, or not answered in time."""
        chance, load = random.Random(_SEED), Load()
        idle: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(_CONNECTIONS):
            idle.put_nowait(await connected(self._port, load, Connection))
        latencies: list[float] = []

        async def ask(request: bytes, due: float) -> None:
            connection = await idle.get()
            await connection.ask(request)
            latencies.append(time.perf_counter() - due)
            idle.put_nowait(connection)

        asking = []
        due = began = time.perf_counter()
        while due < began + seconds:
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            chosen = kind or chance.choices(KINDS, [VISIT[each] for each in KINDS])[0]
            asking.append(asyncio.create_task(ask(next(self._requests[chosen]), due)))
        done, late = await asyncio.wait(asking, timeout=_LATE)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        while not idle.empty():
            idle.get_nowait().close()
        refused = sum(n for status, n in load.statuses.items() if status >= HTTPStatus.BAD_REQUEST)
        return latencies, refused + len(late)

    def _spent(self) -> Spent:
        return Spent(cpu_seconds(self._process), self._beside.seconds(), time.process_time())

    def _since(self, before: Spent) -> Spent:
        now = self._spent()
        return Spent(now.server - before.server, now.beside - before.beside, now.us - before.us)
