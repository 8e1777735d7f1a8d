"""`python -m benchmarks.edge`: what a request costs in the edge layer, part by part."""

import argparse
import asyncio
import io
import os
import platform
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks import page
from benchmarks.servers import Beside, data_directory
from bff.edge.clients import Clients, Networks, ProxyHeader
from bff.edge.cors import Cors
from bff.edge.edge import Edge, Meet, Watch
from bff.edge.headers import Finish
from bff.edge.limits.layer import Limited
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Policies
from bff.edge.limits.subjects import Subjects
from bff.edge.robots import Robots
from bff.edge.routing import Route
from bff.operations.drain import Drain
from bff.operations.figures import Figures
from bff.operations.logs import AccessLog, LogFormat
from bff.operations.traces import Traces
from domain.accounts import AccessTokens, Principal
from domain.database import Fences
from domain.model import Role
from domain.redis import Nodes
from infra.local.stack import Stack

AT_ONCE: Final = 50
PEOPLE: Final = 500
SECRET: Final = "x" * 32
# Never reached: what is measured is counting, not refusing.
ROOM: Final = 10**6
BODY: Final = b"x" * 2600
FLOOR: Final = "nothing"
WHOLE: Final = "all, limits in Redis"


@dataclass(frozen=True)
class Subject:
    """A way through the layer, and how much is spent."""

    name: str
    serve: ASGIApp
    seconds: list[float]
    beside: list[float]


async def bare(_: Scope, __: Receive, send: Send) -> None:
    """A route that has its answer at hand."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    headers += [(b"etag", b'"x"'), (b"cache-control", b"private, no-cache"), (b"vary", b"Accept")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


async def received() -> Any:
    """Nothing more comes."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def sent(_: Message) -> None:
    """To nobody."""


def requests(tokens: AccessTokens, count: int) -> list[Any]:
    """What the application is asked, by as many people in turn as there may be in a minute."""
    now = datetime.now(UTC)
    issued = [tokens.issue(Principal(each, Role.CUSTOMER), now)[0] for each in range(1, PEOPLE + 1)]
    for token in issued:
        tokens.verify(token)
    return [
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/api/orders",
            "raw_path": b"/api/orders",
            "query_string": b"limit=20",
            "client": ("127.0.0.1", 5000),
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"user-agent", b"Comanda/1.0 (Android 14)"),
                (b"accept", b"application/json"),
                (b"accept-encoding", b"gzip"),
                (b"authorization", f"Bearer {issued[number % PEOPLE]}".encode()),
            ],
        }
        for number in range(count)
    ]


def edge(application: ASGIApp, *watch: Watch, meet: Sequence[Meet] = ()) -> Edge:
    """As `bff.app` makes it with its defaults."""
    return Edge(
        application,
        clients=Clients(Networks([]), ProxyHeader.X_FORWARDED_FOR),
        hosts=[],
        robots=Robots(["cubot"]),
        cors=Cors([]),
        finish=Finish(31_536_000),
        drain=Drain(),
        watch=watch,
        meet=meet,
    )


def untold() -> Traces:
    """Traces of which nobody is told one."""
    os.environ["OTEL_TRACES_SAMPLER"] = "parentbased_always_off"
    return Traces()


def limited(limiter: Limiter, tokens: AccessTokens, room: int) -> Limited:
    """The limits in front of the route; a `room` of 0 is none."""
    return Limited(
        bare,
        limiter,
        Subjects(SECRET),
        Policies.of(general=room, anonymous=room, payment=room, login=room),
        tokens,
        route=lambda _: Route("/api/orders", {}),
        most=10_000,
    )


async def measured(redis_url: str, rounds: int, count: int, beside: Beside) -> list[Subject]:
    """Every way in turn, so often, each time with so many requests, 50 at once."""
    tokens = AccessTokens(SECRET)
    async with AsyncExitStack() as running:
        nodes = Nodes(redis_url)
        fences = Fences(nodes)
        nodes.start()
        fences.start()
        running.push_async_callback(nodes.close)
        running.push_async_callback(fences.close)
        while not await nodes.answer():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # Until the fences are believed.
        await asyncio.sleep(1.5)
        away = Nodes("redis://127.0.0.1:1")
        figures, access = Figures(None), AccessLog(1.0, LogFormat.JSON, io.StringIO())
        watch = (figures.note, access.note)
        alone = Limiter(away, Fences(away))
        traces = untold()
        running.push_async_callback(traces.close)
        ways: dict[str, ASGIApp] = {
            FLOOR: bare,
            "id, client, headers": edge(bare),
            "and figures": edge(bare, figures.note),
            "and a line of the log": edge(bare, *watch),
            "and who asks, and the route": edge(limited(alone, tokens, 0), *watch),
            "all, limits in the process": edge(limited(alone, tokens, ROOM), *watch),
            WHOLE: edge(limited(Limiter(nodes, fences), tokens, ROOM), *watch),
            "and traces, of which this is none": edge(
                limited(Limiter(nodes, fences), tokens, ROOM),
                *watch,
                *traces.watches,
                meet=traces.meets,
            ),
        }
        subjects = [Subject(name, serve, [], []) for name, serve in ways.items()]
        for number in range(rounds + 1):
            order = deque(subjects)
            order.rotate(number)
            for subject in order:
                took = await _took(subject.serve, requests(tokens, count), beside)
                # The first time is to get warm.
                if number:
                    subject.seconds.append(took[0])
                    subject.beside.append(took[1])
        return subjects


async def _took(serve: ASGIApp, asked: Sequence[Any], beside: Beside) -> tuple[float, float]:
    async def client(share: Sequence[Any]) -> None:
        for scope in share:
            await serve(scope, received, sent)

    crowd: list[Awaitable[None]] = [client(asked[each::AT_ONCE]) for each in range(AT_ONCE)]
    server, began = beside.seconds(), time.process_time()
    await asyncio.gather(*crowd)
    spent = time.process_time() - began
    return spent / len(asked), (beside.seconds() - server) / len(asked)


def table(subjects: Sequence[Subject]) -> str:
    """Of all ways, and what each adds to nothing."""
    rows = [
        "| the layer with | CPU µs (least to most) | more than nothing | Redis's µs |",
        "|---|---|---|---|",
    ]
    floor = _cost(subjects[0].seconds)
    for each in subjects:
        least, most = min(each.seconds) * 1e6, max(each.seconds) * 1e6
        added = (_cost(each.seconds) - floor) * 1e6
        rows.append(
            f"| {each.name} | {median(each.seconds) * 1e6:.1f} ({least:.1f} to {most:.1f}) "
            f"| {added:.1f} | {median(each.beside) * 1e6:.0f} |"
        )
    return "\n".join(rows) + "\n"


def _cost(seconds: Sequence[float]) -> float:
    return min(seconds)


def main() -> None:
    """Measure, print the table, and with --write put it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of it")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    rounds, count = (5, 5_000) if asked.quick else (9, 10_000)
    with tempfile.TemporaryDirectory(prefix="comanda-edge-") as directory:
        data = data_directory(Path(directory))
        with Stack(data, replicas=0) as stack:
            redis_url = stack.start().redis_url
            text = table(uvloop.run(measured(redis_url, rounds, count, Beside("valkey"))))
    command = "python -m benchmarks.edge" + (" --quick" if asked.quick else "")
    packages = ", ".join(f"{name} {version(name)}" for name in ("structlog", "hiredis", "uvloop"))
    text = (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {rounds} interleaved rounds of {count:,} "
        f"requests of {PEOPLE} people, {AT_ONCE} at once, no sockets but Redis's; "
        f"differences are of minima. {page.machine()}. Python {platform.python_version()}, "
        f"{packages}.\n\n{text}"
    )
    print(text)
    if asked.write:
        page.write("edge", text)


if __name__ == "__main__":
    main()
