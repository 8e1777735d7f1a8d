"""What was aimed at beside what came out, read from the tables of docs/performance.md."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, le
from pathlib import Path
from typing import Final

from benchmarks.page import PAGE

_NUMBER: Final = re.compile(r"-?\d[\d,]*\.?\d*")
_TO_OURS: Final = "CPU to Comanda"
_DIRECT: Final = "Comanda without the pyramid"
_RENDERED: Final = ("w 400", "w 800", "400x400", "800x800")
_LEAST: Final = "at least"
_MOST: Final = "at most"
_ALLOWS: Final = {_LEAST: ge, _MOST: le}


class Tables:
    """All tables of the page: a row by the benchmark's mark and its first cells."""

    def __init__(self, text: str) -> None:
        self._rows = dict(_rows(text))

    def figure(self, column: str, *row: str) -> float:
        """The first number of a cell, which is the median where there are several. Raises as `told`
        does."""
        return float(_NUMBER.findall(self.told(column, *row))[0].replace(",", ""))

    def told(self, column: str, *row: str) -> str:
        """A cell. Raises KeyError where there is none, or another."""
        found = [
            cells for key, cells in self._rows.items() if key[: len(row)] == row and column in cells
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} rows begin with {row} and have {column!r}")
        return found[0][column]

    def those(self, column: str, *row: str) -> list[str]:
        """What follows in each row that begins so and has that column, from top to bottom."""
        return [
            key[len(row)]
            for key, cells in self._rows.items()
            if key[: len(row)] == row and column in cells
        ]


@dataclass(frozen=True)
class Goal:
    """What is measured, beside whom, what it is to come to, and where that is found."""

    what: str
    beside: str
    aim: str
    bound: float
    unit: str
    found: Callable[[Tables], float]

    def row(self, tables: Tables) -> str:
        """Of the table of goals."""
        try:
            value = self.found(tables)
        except KeyError:
            return f"| {self.what} | {self.beside} | {self._told} | not measured | |"
        verdict = "reached" if _ALLOWS[self.aim](value, self.bound) else "**missed**"
        return (
            f"| {self.what} | {self.beside} | {self._told} | {value:.3g}{self.unit} | {verdict} |"
        )

    @property
    def _told(self) -> str:
        return f"{self.aim} {self.bound:g}{self.unit}"


def table(page: Path = PAGE) -> str:
    """Every goal with its figure, of the tables that are on the page."""
    tables = Tables(page.read_text("utf-8"))
    rows = [
        "| what | beside | aim | came out | |",
        "|---|---|---|---|---|",
        *(goal.row(tables) for goal in GOALS),
    ]
    return "\n".join(rows) + "\n"


def _of(column: str, *row: str) -> Callable[[Tables], float]:
    return lambda tables: tables.figure(column, *row)


def _times(mark: str, what: str, whom: str) -> Callable[[Tables], float]:
    """How many times our CPU theirs is."""
    return _of(_TO_OURS, mark, what, whom)


def _pictures() -> Iterator[Goal]:
    for format_, bound, direct_bound in (("JPEG", 3.0, 1.3), ("WebP", 2.5, 1.4)):
        for size in _RENDERED:
            case = f"12 MP to {size}, {format_}"
            yield Goal(case, "IPX", _LEAST, bound, "x", _times("pictures", case, "IPX"))

            def without(tables: Tables, case: str = case) -> float:
                theirs = tables.figure(_TO_OURS, "pictures", case, "IPX")
                return theirs / tables.figure(_TO_OURS, "pictures", case, _DIRECT)

            yield Goal(f"{case}, no level at hand", "IPX", _LEAST, direct_bound, "x", without)
    for size in _RENDERED:
        case = f"12 MP to {size}, JPEG"
        yield Goal(case, "thumbor", _LEAST, 10.0, "x", _times("pictures", case, "thumbor"))

    def stored(tables: Tables) -> float:
        theirs = tables.figure("CPU to nginx", "pictures", "thumbor, result storage")
        return theirs / tables.figure("CPU to nginx", "pictures", "Comanda, from memory")

    yield Goal("stored picture", "thumbor's result storage", _LEAST, 5.0, "x", stored)
    yield Goal(
        "stored picture",
        "nginx, to it",
        _MOST,
        4.0,
        "x",
        _of("CPU to nginx", "pictures", "Comanda, from memory"),
    )


def _api() -> Iterator[Goal]:
    catalogue, orders, order = (
        "cached catalogue, 100 products",
        "20 orders, four fields",
        "an order with its items",
    )
    nest, tuned = "NestJS on Fastify", "Node by hand"
    for what, whom, bound in (
        (catalogue, nest, 80.0),
        (orders, nest, 5.0),
        (order, nest, 5.5),
        ("POST an order", nest, 5.0),
        (catalogue, tuned, 1.8),
        (orders, tuned, 1.25),
        (order, tuned, 1.4),
    ):
        yield Goal(what, whom, _LEAST, bound, "x", _times("api", what, whom))

    def to_nginx(tables: Tables) -> float:
        return 1 / tables.figure(_TO_OURS, "api", catalogue, "nginx, a file")

    yield Goal(catalogue, "nginx, to it", _MOST, 1.4, "x", to_nginx)
    added, here, there = (
        "more than nothing",
        "all, limits in the process",
        "all, limits in Redis",
    )
    yield Goal("the edge layer", "nothing", _MOST, 15.0, " µs", _of(added, "edge", here))

    def counted(tables: Tables) -> float:
        return tables.figure(added, "edge", there) - tables.figure(added, "edge", here)

    yield Goal("limits counted in Redis", "in the process", _MOST, 25.0, " µs", counted)


def _realtime() -> Iterator[Goal]:
    room = "room of 5,000, an event at a time: CPU µs a delivery"
    node, floor = "Node socket.io", "send(2) in C"
    for what, whom, bound in (
        (room, node, 0.62),
        (room, floor, 1.25),
        ("room of 1, through Redis: CPU µs an event", node, 0.33),
    ):
        yield Goal(what, whom, _MOST, bound, "x", _of(f"Comanda to {whom}", "realtime", what))
    memory = "memory a subscribed client, KB"
    yield Goal(memory, "", _MOST, 4.0, " KB", _of("Comanda", "realtime", memory))


def _data() -> Iterator[Goal]:
    for whom in ("cashews, `@cache`", "aiocache, `@cached`"):
        yield Goal("a hit in memory", whom, _LEAST, 20.0, "x", _times("cache", "memory", whom))

    def to_dict(tables: Tables) -> float:
        return 1 / tables.figure(_TO_OURS, "cache", "memory", "a dict with times")

    yield Goal("a hit in memory", "a dict, to it", _MOST, 20.0, "x", to_dict)
    crowd, redis = "Redis, 100 at once", "redis-py, `get`"
    yield Goal(crowd, redis, _LEAST, 5.0, "x", _times("cache", crowd, redis))
    page = "20 orders with their items"
    yield Goal(page, "selectinload", _LEAST, 10.0, "x", _times("database", page, "selectinload"))


def _start() -> Iterator[Goal]:
    for directory, bound in (("in an empty directory", 5.0), ("in the same one, once more", 1.5)):
        found = _of("and a page of dishes s", "start", directory)
        yield Goal("`comanda up` to the first page", directory, _MOST, bound, " s", found)


GOALS: Final = (*_pictures(), *_api(), *_realtime(), *_data(), *_start())


def _rows(text: str) -> Iterator[tuple[tuple[str, ...], Mapping[str, str]]]:
    """Each row of a table within a benchmark's marks."""
    mark = ""
    heads: list[str] = []
    for line in text.splitlines():
        if line.startswith("<!-- "):
            mark, heads = line.removeprefix("<!-- ").removesuffix(" -->"), []
        elif not line.startswith("|"):
            heads = []
        elif not heads:
            heads = _named_apart(_cells(line))
        elif not line.startswith("|--"):
            cells = _cells(line)
            yield (mark, *cells), dict(zip(heads, cells, strict=True))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _named_apart(heads: list[str]) -> list[str]:
    """A ratio "to it" is to whom the column before it is of."""
    return [
        head.replace("to it", f"to {heads[number - 1]}") if head.endswith(" to it") else head
        for number, head in enumerate(heads)
    ]
