"""The edge around an application of a test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from litestar.types import ASGIApp

from bff.edge.clients import Clients, Networks, ProxyHeader
from bff.edge.cors import Cors
from bff.edge.edge import Edge, Watch
from bff.edge.headers import Finish
from bff.edge.robots import Robots
from bff.operations.drain import Drain


def edge(
    application: ASGIApp,
    *,
    proxies: Sequence[str] = (),
    header: ProxyHeader = ProxyHeader.X_FORWARDED_FOR,
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    approved: Sequence[str] = ("cubot",),
    hsts_seconds: int = 31_536_000,
    drain: Drain | None = None,
    watch: Sequence[Watch] = (),
) -> Edge:
    """As the application has it."""
    return Edge(
        application,
        clients=Clients(Networks(proxies), header),
        hosts=hosts,
        robots=Robots(approved),
        cors=Cors(origins),
        finish=Finish(hsts_seconds),
        drain=drain or Drain(),
        watch=watch,
    )


@asynccontextmanager
async def around(
    application: ASGIApp, url: str = "http://comanda.test", peer: str = "127.0.0.1", **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client, at the address `peer`, of an application behind an edge."""
    transport = httpx.ASGITransport(edge(application, **options), client=(peer, 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        yield client
