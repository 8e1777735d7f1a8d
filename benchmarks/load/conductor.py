"""Leads a crowd through a run, tells how it goes, and notes how every part does."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import httpx
import redis
from msgspec import Struct

from benchmarks.load import truth
from benchmarks.load.campus import Campus
from benchmarks.load.figures import Scraped, Second, Taken
from benchmarks.load.generator import Generator
from benchmarks.load.machine import Machine, Usage, busy_seconds, pace
from domain.database import dsn

Say = Callable[[str], None]

_TELL: Final = 5.0
SAMPLE: Final = 10.0
_LOOK: Final = 0.2
# What the first orders of a crowd cost, connections and statements, is no part of what is measured.
SETTLE: Final = 10.0
# For the orders that are under way when nobody orders any more.
_LAST_ORDERS: Final = 120.0
# A lunch comes in half an hour; so that none of a run passes with waiting, in four minutes here.
_RAMP: Final = 240.0
_SLOWEST: Final = 20.0
_FASTEST: Final = 100.0
_TRIES: Final = 5


class Node(Struct, frozen=True):
    """A database: transactions since it began, and connections now."""

    transactions: int
    connections: int


class Redis(Struct, frozen=True):
    """Commands since it began, and keys now."""

    commands: int
    keys: int


@dataclass(frozen=True)
class Sample:
    """How everything was at a moment (seconds since 1970)."""

    at: float
    scraped: Scraped
    usage: dict[str, Usage]
    busy: float
    pace: float
    nodes: dict[str, Node]
    redis: Redis


@dataclass
class Window:
    """What happened between two samples."""

    people: int
    samples: list[Sample]
    seconds: list[Second]
    metrics: dict[str, Any] = field(default_factory=dict)
    """What GET /api/admin/metrics said at its end."""

    @property
    def elapsed(self) -> float:
        """Seconds."""
        return self.samples[-1].at - self.samples[0].at

    @property
    def pace(self) -> float:
        """CPU milliseconds that the same work took of a core meanwhile."""
        return statistics.median(sample.pace for sample in self.samples)

    @property
    def taken(self) -> Taken:
        """All requests, as the generator saw them."""
        return Taken.of(entry for second in self.seconds for entry in second.requests)

    @property
    def errors(self) -> Counter[str]:
        """By their words."""
        counted: Counter[str] = Counter()
        for second in self.seconds:
            counted.update(second.errors)
        return counted


class Conductor:
    """Of one run."""

    def __init__(self, place: Campus, crowd: Generator, say: Say) -> None:
        self._place = place
        self._crowd = crowd
        self._say = say
        self._machine = Machine(place.data, crowd.pids)
        self._began = time.monotonic()
        self._told = self._began
        self._telling = 0
        self._sampled = self._began
        # What is looked at may be slow to answer, and nothing else is to wait for that.
        self._aside = ThreadPoolExecutor(1)
        self._sampling: Future[None] | None = None
        self.samples: list[Sample] = []
        self.people = 0

    def gather(self, people: int) -> None:
        """Have so many people, and wait until they are there and know their way."""
        rate = min(_FASTEST, max(_SLOWEST, (people - self.people) / _RAMP))
        patience = 2 * abs(people - self.people) / rate + 60
        self.people = people
        self._crowd.people(people, rate)
        deadline = time.monotonic() + patience
        while self._present() < people + self._place.size.counters:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {self._present():,} of {people:,} people came")
            self.pass_time(_LOOK)
        self.pass_time(SETTLE)

    def measure(self, seconds: float) -> Window:
        """What happens in that time."""
        self._sample_now()
        first = len(self.samples) - 1
        self.pass_time(seconds)
        self._sample_now()
        samples = self.samples[first:]
        # To look takes its time, too, and where there is no core to spare some seconds.
        since, until = samples[0].at, samples[-1].at
        during = [each for each in self._crowd.seconds if since < each.at <= until]
        told = Window(self.people, samples, during)
        told.metrics = self._metrics()
        return told

    def close(self) -> truth.Verdict:
        """The last orders are served, all leave, and what they were told is compared with what is
        held."""
        self._crowd.close()
        deadline = time.monotonic() + _LAST_ORDERS
        while left := asyncio.run(truth.under_way(self._place)):
            if time.monotonic() > deadline:
                self._say(f"Still under way: {left}")
                break
            self.pass_time(1.0)
        # Phones look again some time after it is over.
        self.pass_time(SETTLE)
        self._crowd.stop()
        return asyncio.run(truth.check(self._place))

    def pass_time(self, seconds: float) -> None:
        """Look after the servers, and tell how it goes. Raises RuntimeError when the generator has
        ended."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            self._place.stack.poll()
            if not self._crowd.is_running:
                raise RuntimeError("a process of the generator has ended")
            if now >= self._told + _TELL:
                self._told = now
                self._tell(now)
            if now >= self._sampled + SAMPLE:
                self._sample_aside(now)
            time.sleep(min(_LOOK, max(0.0, until - now)))

    def _sample_now(self) -> None:
        """Raises what asking raises, where that fails several times."""
        for left in reversed(range(_TRIES)):
            try:
                self._aside.submit(self._sample).result()
            except (OSError, redis.RedisError):
                if not left:
                    raise
            else:
                return

    def _sample_aside(self, now: float) -> None:
        if self._sampling is not None:
            if not self._sampling.done():
                return
            if (error := self._sampling.exception()) is not None:
                self._say(f"        not everything could be looked at: {error!r}")
        self._sampled = now
        self._sampling = self._aside.submit(self._sample)

    def _sample(self) -> None:
        """Note how everything is."""
        self.samples.append(
            Sample(
                time.time(),
                Scraped.of(self._place.url),
                self._machine.look(),
                busy_seconds(),
                pace(),
                asyncio.run(_nodes(self._place.nodes)),
                _redis(self._place.environment["COMANDA_REDIS_URL"]),
            )
        )

    def _present(self) -> int:
        return self._crowd.seconds[-1].people if self._crowd.seconds else 0

    def _tell(self, now: float) -> None:
        recent = self._crowd.seconds[self._telling :]
        self._telling = len(self._crowd.seconds)
        taken = Taken.of(entry for second in recent for entry in second.requests)
        times = "  ".join(f"p{n} {taken.quantile(n / 100):.0f} ms" for n in (50, 95, 99))
        self._say(
            f"{now - self._began:5.0f} s  {self._present():,} people  "
            f"{taken.requests / max(1, len(recent)):,.0f} req/s  {times}  {taken.failures} errors"
        )
        for words, count in _exceptions(recent).items():
            self._say(f"        in the generator, {count} times: {words}")

    def _metrics(self) -> dict[str, Any]:
        bearer = {"authorization": f"Bearer {self._place.bearer()}"}
        answer = httpx.get(
            f"{self._place.url}/api/admin/metrics", headers=bearer, trust_env=False, timeout=30
        )
        told: dict[str, Any] = answer.json()
        return told


def _exceptions(seconds: Sequence[Second]) -> dict[str, int]:
    return seconds[-1].exceptions if seconds else {}


async def _nodes(urls: dict[str, str]) -> dict[str, Node]:
    found = await asyncio.gather(*(_node(url) for url in urls.values()), return_exceptions=True)
    return {name: node for name, node in zip(urls, found, strict=True) if isinstance(node, Node)}


async def _node(url: str) -> Node:
    connection = await asyncpg.connect(dsn(url), timeout=10)
    try:
        row = await connection.fetchrow(
            "SELECT sum(xact_commit + xact_rollback)::bigint, sum(numbackends)::bigint"
            " FROM pg_stat_database"
        )
        return Node(*row)
    finally:
        await connection.close()


def _redis(url: str) -> Redis:
    with redis.Redis.from_url(url) as client:
        told: Any = client.info()
        keys: Any = client.dbsize()
        return Redis(told["total_commands_processed"], keys)
