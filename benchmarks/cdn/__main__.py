"""`python -m benchmarks.cdn`: hits of nginx in CloudFront's place, for a load of random widths,
with the ladder and without."""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from benchmarks import page
from cdn.freshness import IMMUTABLE
from cdn.ladder import LADDER
from infra.edge.nginx import Edge, Origins, required_engine
from infra.local.failure import StackError
from infra.local.ports import LOOPBACK, Ports
from infra.local.process import Child

PICTURES: Final = 400
REQUESTS: Final = 8_000
_VISITORS: Final = 8
_BODY: Final = b"." * 4_096
# What three kinds of browsers say (MDN, list of default Accept values).
_ACCEPTS: Final = (
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
    "*/*",
)
# A CDN that is told nothing: the query string and Accept are the key as they come.
_AS_THEY_COME: Final = """
function handler(event) {
  const request = event.request;
  const accept = encodeURIComponent(request.headers.accept.value);
  request.uri = '/v' + request.uri + '/' + request.querystring.w.value + '/' + accept;
  return request;
}
"""
_LISTED: Final = (320, 640, 1080)


@dataclass(frozen=True)
class Case:
    """A way to ask, and the edge function that makes a key of it; None for our own."""

    name: str
    width: Callable[[random.Random], int]
    function: str | None = None


CASES: Final = (
    Case("any width, keyed as it comes", lambda draw: draw.randint(50, 2048), _AS_THEY_COME),
    Case("any width, on the ladder", lambda draw: draw.randint(50, 2048)),
    Case("three widths of a srcset, on the ladder", lambda draw: draw.choice(_LISTED)),
)


@dataclass
class Counted:
    """Of one case: what was asked of the origin, and how often an edge had it."""

    asked: int = 0
    hits: int = 0
    paths: set[str] = field(default_factory=set)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cdn", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    given = parser.parse_args()
    try:
        print(asyncio.run(_table(given.requests)))
    except StackError as error:
        sys.exit(str(error))


async def _table(requests: int) -> str:
    rows = [
        f"`python -m benchmarks.cdn`: {PICTURES} pictures by Zipf's law (s = 1), {requests:,}"
        " requests of three kinds of browsers over two edges that begin empty; the ladder has"
        f" {len(LADDER.sizes)} sizes. {page.machine()}.",
        "",
        "| the key | hits of the edges | asked of the origin | different objects |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="comanda-cdn-") as directory:
            counted = await _measured(case, Path(directory), requests)
        hits, asked = counted.hits / requests, counted.asked / requests
        rows.append(f"| {case.name} | {hits:.1%} | {asked:.1%} | {len(counted.paths):,} |")
    return "\n".join(rows)


async def _measured(case: Case, home: Path, requests: int) -> Counted:
    counted = Counted()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\ncache-control: {IMMUTABLE}\r\ncontent-length: {len(_BODY)}\r\n\r\n"
        )
        try:
            while line := await reader.readline():
                await reader.readuntil(b"\r\n\r\n")
                counted.asked += 1
                counted.paths.add(line.split()[1].decode())
                writer.write(head.encode() + _BODY)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0, backlog=512) as origin:
        port = origin.sockets[0].getsockname()[1]
        # No bucket: each miss of the shield is a rendering.
        origins = Origins(f"{LOOPBACK}:{port}", f"http://{LOOPBACK}:1", "none", "none", "-", "-")
        ports = Ports(home / "ports.json")
        edge = Edge(home, home / "log", ports, origins, required_engine(), case.function)
        child = Child(edge.role, edge.command())
        try:
            while not edge.answers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await _load(case, edge, requests, counted)
        finally:
            await asyncio.to_thread(child.end, 10)
    return counted


async def _load(case: Case, edge: Edge, requests: int, counted: Counted) -> None:
    draw = random.Random(7)
    weights = [1 / rank for rank in range(1, PICTURES + 1)]
    pictures = iter(draw.choices(range(1, PICTURES + 1), weights, k=requests))

    async def visit(client: httpx.AsyncClient) -> None:
        for picture in pictures:
            place = f"{draw.choice(edge.urls)}/products/{picture}?w={case.width(draw)}"
            answer = await client.get(place, headers={"accept": draw.choice(_ACCEPTS)})
            answer.raise_for_status()
            counted.hits += answer.headers["x-cache"].startswith("Hit")

    async with httpx.AsyncClient(timeout=30) as client:
        await asyncio.gather(*(visit(client) for _ in range(_VISITORS)))


if __name__ == "__main__":
    main()
