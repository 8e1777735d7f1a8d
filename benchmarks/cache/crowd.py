"""A thousand ask at once for what nobody has: how often the source is read, and how long it is."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median
from typing import Any, Final

from benchmarks.cache import peers
from benchmarks.cache.hits import OURS, TTL, of_aiocache
from benchmarks.cache.processes import Meet, Servers, running, together
from domain.cache import Kind
from domain.database import Fence

PEOPLE: Final = 1000
# Seconds that the source takes.
SOURCE: Final = 0.05
VALUES: Final = Kind[int, str]("crowd", str, tags=lambda key: (f"crowd-{key}",))

Read = Callable[[int], Awaitable[Any]]


@dataclass
class Crowd:
    """What came of one, round by round: readings, errors, seconds until the last had an answer."""

    loads: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, other: "Crowd") -> None:
        """The crowd of another process at the same moment."""
        self.loads = [sum(pair) for pair in zip(self.loads, other.loads, strict=True)]
        self.errors = [sum(pair) for pair in zip(self.errors, other.errors, strict=True)]
        self.seconds = [max(pair) for pair in zip(self.seconds, other.seconds, strict=True)]


Crowds = dict[str, Crowd]


def measured(servers: Servers, processes: int, rounds: int) -> Crowds:
    """Of each way, in so many processes together; in interleaved rounds."""
    first, *others = together(processes, crowds, servers, processes, rounds)
    for other in others:
        for name, crowd in other.items():
            first[name].add(crowd)
    return dict(first)


async def crowds(meet: Meet, servers: Servers, processes: int, rounds: int) -> Crowds:
    """Those of one process."""
    # A peer logs each of the errors that it makes, and they are counted.
    logging.disable(logging.CRITICAL)
    loads: list[int] = []

    async def source(key: int) -> str:
        loads.append(key)
        await asyncio.sleep(SOURCE)
        return f"value {key}"

    cashews = peers.cashews().Cache()
    cashews.setup(servers.redis_url)
    await cashews.init()
    aiocache = peers.aiocache()
    of_redis = of_aiocache(servers)
    found: Crowds = {}
    async with running(servers) as process:
        changes = process.cache.changes

        async def load(keys: Sequence[int], fence: Fence) -> tuple[dict[int, str], Fence]:
            return {key: await source(key) for key in keys}, max(fence, changes.horizon)

        ways: dict[str, Read] = {
            OURS: lambda key: process.cache.get(VALUES, key, load),
            "cashews, `@cache`": cashews(ttl=TTL, key="crowd:{key}")(source),
            "cashews, `@cache(lock=True)`": cashews(ttl=TTL, key="locked:{key}", lock=True)(source),
            "aiocache, `@cached`": aiocache.cached(ttl=TTL, namespace="a", **of_redis)(source),
            "aiocache, `@cached_stampede`": aiocache.cached_stampede(
                ttl=TTL, namespace="b", **of_redis
            )(source),
        }
        for number in range(rounds):
            for name, read in ways.items():
                loads.clear()
                # Nobody has asked for it before, in whatever round.
                key = processes * 1_000 + number
                await meet()
                began = time.perf_counter()
                answers = await asyncio.gather(
                    *(read(key) for _ in range(PEOPLE)), return_exceptions=True
                )
                crowd = found.setdefault(name, Crowd())
                crowd.seconds.append(time.perf_counter() - began)
                crowd.loads.append(len(loads))
                crowd.errors.append(sum(answer != f"value {key}" for answer in answers))
    return found


def table(by_processes: dict[int, Crowds]) -> str:
    """The worst round of loads and errors, and the median time."""
    rows = [
        "| processes | way | readings of the source | errors | ms until all had it |",
        "|---|---|---|---|---|",
    ]
    named = chain.from_iterable(
        ((number, name, crowd) for name, crowd in crowds.items())
        for number, crowds in by_processes.items()
    )
    rows += [
        f"| {number} | {name} | {max(crowd.loads)} | {max(crowd.errors)} "
        f"| {median(crowd.seconds) * 1e3:.0f} |"
        for number, name, crowd in named
    ]
    return "\n".join(rows) + "\n"
