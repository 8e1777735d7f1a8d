"""Processes with a cache each, that begin each thing together."""

import asyncio
import multiprocessing
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any, Final

import uvloop

from domain.cache import Cache
from domain.database import Cluster
from domain.redis import Nodes

_PATIENCE: Final = 300.0


@dataclass(frozen=True)
class Servers:
    """Where PostgreSQL and Redis are."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Process:
    """What an application has of them."""

    cluster: Cluster
    nodes: Nodes
    cache: Cache


@asynccontextmanager
async def running(servers: Servers) -> AsyncIterator[Process]:
    """A process that hears of changes."""
    cluster, nodes = Cluster(servers.database_url, []), Nodes(servers.redis_url)
    cache = Cache(cluster, nodes)
    for part in (cluster, nodes, cache):
        part.start()
    try:
        async with asyncio.timeout(30):
            while not (cache.is_heard and cache.changes.is_trusted):
                await cache.changes.look()
        yield Process(cluster, nodes, cache)
    finally:
        await cache.close()
        await nodes.close()
        await cluster.close()


Meet = Callable[[], Any]
"""Awaited by each process; returns when all have come."""


def together(number: int, work: Callable[..., Any], *arguments: Any) -> Sequence[Any]:
    """What `work(meet, *arguments)` returns in each of so many processes. Raises RuntimeError."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(number), context.Queue()
    processes = [
        context.Process(target=_run, args=(barrier, results, work, arguments), daemon=True)
        for _ in range(number)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=_PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    for each in found:
        if isinstance(each, str):
            raise RuntimeError(each)
    return found


def _run(barrier: Barrier, results: Any, work: Callable[..., Any], arguments: Any) -> None:
    async def meet() -> None:
        await asyncio.to_thread(barrier.wait, _PATIENCE)

    try:
        # As the application runs.
        results.put(uvloop.run(work(meet, *arguments)))
    except BaseException:
        # Nobody has to wait for this one.
        barrier.abort()
        results.put(traceback.format_exc())
