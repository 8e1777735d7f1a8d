"""What the specification's version 2 takes, built as it says, beside ours: of the tables of
docs/performance.md and docs/representation.md, into docs/optimization.md."""

from collections.abc import Iterator
from typing import Final

from benchmarks.goals import Tables
from benchmarks.page import PAGE

OPTIMIZED: Final = PAGE.with_name("optimization.md")
PAYLOADS: Final = PAGE.with_name("representation.md")
_BESIDE: Final = "PostgreSQL's and Redis's µs"
_ROOM: Final = "room of 5,000, an event at a time: CPU µs a delivery"


def table() -> str:
    """Each way with what it took, and what it takes. Raises KeyError where one is not measured."""
    rows = [
        "| | as the specification's v2 | here | how it is shown |",
        "|---|---|---|---|",
        *_api(Tables(PAGE.read_text("utf-8"))),
        *_others(Tables(PAGE.read_text("utf-8"))),
        *_screen(Tables(PAYLOADS.read_text("utf-8"))),
    ]
    return "\n".join(rows) + "\n"


def _api(tables: Tables) -> Iterator[str]:
    for what in (
        "cached catalogue, 100 products",
        "catalogue, not modified (304)",
        "20 orders, four fields",
        "an order with its items",
        "POST an order",
    ):
        told = []
        for whom in ("NestJS on Fastify", "Comanda"):
            ours = tables.figure("CPU µs", "api", what, whom)
            theirs = tables.figure(_BESIDE, "api", what, whom)
            told.append(f"{ours:,.0f} µs of CPU, and {theirs:,.0f} of PostgreSQL and Redis")
        yield f"| {what} | {' | '.join(told)} | `make bench-api` |"


def _others(tables: Tables) -> Iterator[str]:
    page = "20 orders with their items"
    spent = [tables.figure("CPU µs", "database", page, way) for way in ("selectinload", "Comanda")]
    yield _row(f"{page}, without HTTP", spent, " µs", "database")
    picture = "12 MP to w 400, JPEG"
    spent = [tables.figure("CPU ms", "pictures", picture, server) for server in ("IPX", "Comanda")]
    yield _row(f"a picture, {picture}, beside IPX", spent, " ms", "pictures")
    spent = [tables.figure(server, "realtime", _ROOM) for server in ("Node socket.io", "Comanda")]
    yield _row("an event to each of 5,000 sockets", spent, " µs", "realtime")
    hit = [
        tables.figure("CPU µs", "cache", "memory", way) for way in ("cashews, `@cache`", "Comanda")
    ]
    yield _row("a hit of the cache in memory, beside cashews", hit, " µs", "cache")


def _screen(tables: Tables) -> Iterator[str]:
    requests, weights = (
        [tables.figure(column, "payloads", what) for what in ("the same without it", "`/api/home`")]
        for column in ("requests", "with the heads of the answers")
    )
    told = [
        f"{weight:,.0f} bytes in {number:.0f}"
        for weight, number in zip(weights, requests, strict=True)
    ]
    yield f"| the first screen, requests | {' | '.join(told)} | `make bench-payloads` |"


def _row(what: str, spent: list[float], unit: str, command: str) -> str:
    before, after = (f"{each:,.4g}{unit}" for each in spent)
    return f"| {what} | {before} | {after} | `make bench-{command}` |"
