"""The hot paths, each by a server that has nothing else to do meanwhile."""

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import uvloop

from benchmarks.api.load import answer, drive
from benchmarks.api.questions import (
    CATALOGUE,
    DETAIL,
    LIST,
    PLACE,
    UNCHANGED,
    Requests,
    asked,
    of_comanda,
    unchanged,
)
from benchmarks.pictures import application
from benchmarks.pictures.peers import Peer
from benchmarks.pictures.photographs import SIZES, drawn
from benchmarks.realtime.__main__ import Server
from benchmarks.realtime.crowd import Crowd
from infra.demo import loader
from tests.serving import UNLIMITED, free_port

STORED: Final = "stored picture"
COLD: Final = "cold picture"
FRAMES: Final = "a frame of 5,000"
QUESTIONS: Final = (CATALOGUE, UNCHANGED, LIST, DETAIL, PLACE, STORED)
NAMES: Final = (*QUESTIONS, COLD, FRAMES)
# Enough that many people have a page of their own.
ORDERS: Final = 60_000
CONNECTIONS: Final = 32
CLIENTS: Final = 5_000
EVENTS: Final = 10
PICTURES: Final = 48
# Connections, of which each waits for its picture.
RENDERING: Final = 4
# Requests of a turn, a tenth of a second's work and more.
_MANY: Final = {CATALOGUE: 6000, UNCHANGED: 6000, STORED: 4000}
_SOME: Final = 800
# Answers that are as they should be.
_FINE: Final = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NOT_MODIFIED}


@dataclass(frozen=True)
class Path:
    """A server's process, and a turn of work for it, which returns how many requests it was."""

    process: int
    turn: Callable[[], int]


def one_by_one(given: Mapping[str, str], names: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Those of `names`, one after the other, over the servers that `given` names."""
    given = {**given, **UNLIMITED, "COMANDA_ACCESS_LOG": "0"}
    asyncio.run(application.prepare(given))
    asyncio.run(loader.load(given["COMANDA_DATABASE_URL"], ORDERS, lambda _: None))
    hung = asyncio.run(application.hang(given, drawn(SIZES["12 MP"]), PICTURES, pyramid=True))
    with _served(given, None) as ours:
        questions = _questions(given, ours.port, hung)
        for name in (each for each in QUESTIONS if each in names):
            asking = _asking(ours.port, questions[name], _MANY.get(name, _SOME))
            yield name, Path(ours.process.pid, asking)
    if COLD in names:
        with _served(given, 0) as ours:
            yield COLD, Path(ours.process.pid, lambda: _rendered(given, ours.port, hung))
    if FRAMES in names:
        with _told(given["COMANDA_REDIS_URL"]) as path:
            yield FRAMES, path


@contextmanager
def _served(given: Mapping[str, str], memory: int | None) -> Iterator[Peer]:
    ours = application.start("Comanda", free_port(), given, memory)
    try:
        yield ours
    finally:
        ours.stop()


def _questions(
    given: Mapping[str, str], port: int, hung: Sequence[application.Hung]
) -> dict[str, Requests]:
    chosen = asyncio.run(asked(given["COMANDA_DATABASE_URL"]))
    questions = of_comanda(chosen, given["COMANDA_TOKEN_SECRET"])
    headers, _ = answer(port, questions[CATALOGUE](1)[0])
    questions[UNCHANGED] = unchanged(questions[CATALOGUE](1)[0], headers[b"etag"])
    # By the address that a product is listed with, which names the picture's version.
    stored = _picture(hung[0], f"&v={hung[0].picture.version}")
    questions[STORED] = lambda number: [stored] * number
    return questions


def _picture(hung: application.Hung, more: str = "") -> bytes:
    target = f"/products/{hung.product_id}?w=400&fm=jpeg&q=80{more}"
    return f"GET {target} HTTP/1.1\r\nhost: localhost\r\nuser-agent: CampusApp\r\n\r\n".encode()


def _asking(port: int, requests: Requests, number: int) -> Callable[[], int]:
    return lambda: _asked(port, requests(number), CONNECTIONS)


def _asked(port: int, requests: Sequence[bytes], connections: int) -> int:
    load = drive(port, requests, connections)
    if load.statuses.keys() - _FINE:
        raise ValueError(f"{requests[0]!r}: {load.statuses}")
    return len(requests)


def _rendered(given: Mapping[str, str], port: int, hung: Sequence[application.Hung]) -> int:
    asyncio.run(application.clear(given, hung))
    return _asked(port, [_picture(each) for each in hung], RENDERING)


@contextmanager
def _told(redis_url: str) -> Iterator[Path]:
    """A room of 5,000 that is told one event after the other: a request is a frame to one."""
    loop = uvloop.new_event_loop()
    command = [sys.executable, "-m", "benchmarks.realtime.ours"]
    server = Server(command, redis_url, os.sched_getaffinity(0))
    crowd = Crowd(server.port)

    async def tell() -> int:
        for _ in range(EVENTS):
            crowd.expect(CLIENTS)
            server.tell(["all"])
            await crowd.arrive()
        return EVENTS * CLIENTS

    try:
        loop.run_until_complete(crowd.come(["all"] * CLIENTS))
        yield Path(server.pid, lambda: loop.run_until_complete(tell()))
    finally:
        crowd.go()
        server.stop()
        loop.close()
