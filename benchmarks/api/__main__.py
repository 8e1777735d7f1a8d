"""`python -m benchmarks.api`: Comanda, NestJS, Node by hand and nginx in one interleaved run."""

import argparse
import asyncio
import platform
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import page
from benchmarks.api import crowd, peers
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
    of_floor,
    of_peers,
    same,
    unchanged,
)
from benchmarks.cost import Cost
from benchmarks.pictures.application import environment, prepare, start
from benchmarks.pictures.peers import Peer, nginx
from benchmarks.processor import cpu_seconds
from benchmarks.servers import Beside, data_directory
from infra.demo import loader
from infra.local.stack import Stack

OURS: Final = "Comanda"
NEST: Final = "NestJS on Fastify"
TUNED: Final = "Node by hand"
FLOOR: Final = "nginx, a file"
BARE: Final = "uvicorn and asyncpg alone"
COSTS: Final = "costs"
CROWD: Final = "crowd"
PARTS: Final = (COSTS, CROWD)
CONNECTIONS: Final = 32
# What answers in microseconds is asked so much oftener, or what begins and ends a round would show.
_OFTENER: Final = 15
_EXPECTED: Final = {
    PLACE: {HTTPStatus.CREATED},
    UNCHANGED: {HTTPStatus.NOT_MODIFIED},
}
# Every limit is looked at, and none is reached: the load comes from one address.
_UNLIMITED: Final = dict.fromkeys(("COMANDA_LIMIT_GENERAL", "COMANDA_LIMIT_ANONYMOUS"), "1000000")


@dataclass(frozen=True)
class Effort:
    """How long it takes: some six minutes, or two."""

    orders: int
    rounds: int
    requests: int
    crowd: crowd.Crowd


@dataclass(frozen=True)
class Subject:
    """A server, and how it is asked what."""

    peer: Peer
    requests: dict[str, Requests]


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of six")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    parser.add_argument("--only", choices=PARTS, help="half of it, which cannot be written")
    given = parser.parse_args()
    if given.write and given.only:
        parser.error("--write wants all of it")
    parts = PARTS if given.only is None else (given.only,)
    effort = (
        Effort(60_000, 3, 1000, crowd.Crowd(seconds=15))
        if given.quick
        else Effort(100_000, 7, 1000, crowd.Crowd())
    )
    peers.install()
    crowd.allow_many()
    with tempfile.TemporaryDirectory(prefix="comanda-api-") as directory:
        tables = _measured(Path(directory), effort, parts)
    command = "python -m benchmarks.api" + (" --quick" if given.quick else "")
    text = f"{_setting(command, effort)}\n{tables}"
    print(text)
    if given.write:
        page.write("api", text)


def _measured(directory: Path, effort: Effort, parts: Sequence[str]) -> str:
    with ExitStack() as running:
        stack = running.enter_context(Stack(data_directory(directory), replicas=0))
        addresses = environment(stack) | _UNLIMITED
        asyncio.run(prepare(addresses))
        url = addresses["COMANDA_DATABASE_URL"]
        asyncio.run(loader.load(url, effort.orders, _say))
        subjects = _started(running, directory, addresses)
        told = []
        if COSTS in parts:
            told.append(_table(_costs(subjects, effort)))
        if CROWD in parts:
            told.append(_crowded(subjects, effort.crowd))
        return "\n".join(told)


def _costs(subjects: list[Subject], effort: Effort) -> dict[str, dict[str, Cost]]:
    beside = Beside("postgres", "valkey")
    costs: dict[str, dict[str, Cost]] = {}
    for question in (CATALOGUE, UNCHANGED, LIST, DETAIL, PLACE):
        asking = [each for each in subjects if question in each.requests]
        _agree(question, asking)
        costs[question] = {each.peer.name: Cost() for each in asking}
        for number in range(effort.rounds):
            for subject in _rotated(asking, number):
                cost = costs[question][subject.peer.name]
                _measure(subject, question, effort.requests, cost, beside)
        _say(f"{question}: done")
    return costs


def _started(running: ExitStack, directory: Path, addresses: Mapping[str, str]) -> list[Subject]:
    chosen = asyncio.run(asked(addresses["COMANDA_DATABASE_URL"]))
    at = {
        "PEER_DATABASE_URL": addresses["COMANDA_DATABASE_URL"],
        "PEER_REDIS_URL": addresses["COMANDA_REDIS_URL"].removesuffix("/0") + "/9",
    }

    def kept(begin: Callable[[int], Peer]) -> Peer:
        peer = begin(_port())
        running.callback(peer.stop)
        return peer

    ours = kept(lambda port: start(OURS, port, addresses, None))
    nest = kept(lambda port: peers.start_node(NEST, "main", port, at))
    tuned = kept(lambda port: peers.start_node(TUNED, "tuned", port, at))
    theirs = of_peers(chosen)
    reads = {name: theirs[name] for name in (CATALOGUE, LIST, DETAIL)}
    subjects = [
        _with_unchanged(Subject(ours, of_comanda(chosen, addresses["COMANDA_TOKEN_SECRET"]))),
        _with_unchanged(Subject(nest, theirs)),
        Subject(tuned, reads),
        Subject(kept(lambda port: peers.start_floor(BARE, port, addresses)), of_floor(chosen)),
    ]
    program = nginx()
    if program is not None:
        _, body = answer(ours.port, subjects[0].requests[CATALOGUE](1)[0])
        floor = kept(
            lambda port: peers.start_nginx(FLOOR, port, program, directory / "nginx", body)
        )
        subjects.append(_with_unchanged(Subject(floor, {CATALOGUE: theirs[CATALOGUE]})))
    return subjects


def _with_unchanged(subject: Subject) -> Subject:
    request = subject.requests[CATALOGUE](1)[0]
    # The second time it comes from where it is kept.
    for _ in range(2):
        headers, _ = answer(subject.peer.port, request)
    tag = headers.get(b"etag")
    if tag is None:
        return subject
    return Subject(subject.peer, {**subject.requests, UNCHANGED: unchanged(request, tag)})


def _agree(question: str, asking: list[Subject]) -> None:
    """Every server tells of the same rows."""
    if question in (PLACE, UNCHANGED):
        return
    answers = {
        each.peer.name: answer(each.peer.port, each.requests[question](1)[0])[1] for each in asking
    }
    if not same(answers):
        raise ValueError(f"{question}: the answers differ: {answers}")


def _measure(subject: Subject, question: str, requests: int, cost: Cost, beside: Beside) -> None:
    often = question in (CATALOGUE, UNCHANGED) and subject.peer.name != NEST
    asking = subject.requests[question](requests * (_OFTENER if often else 1))
    before, before_beside = cpu_seconds(subject.peer.process.pid), beside.seconds()
    load = drive(subject.peer.port, asking, CONNECTIONS)
    cost.add(
        load,
        cpu_seconds(subject.peer.process.pid) - before,
        beside.seconds() - before_beside,
    )
    expected = _EXPECTED.get(question, {HTTPStatus.OK})
    wrong = sum(load.statuses[each] for each in load.statuses.keys() - expected)
    # NestJS gives a pick-up code out twice now and then, and says so with 500.
    if wrong > (0 if subject.peer.name == OURS else requests // 100):
        raise ValueError(f"{subject.peer.name}, {question}: {load.statuses}")


def _table(costs: Mapping[str, Mapping[str, Cost]]) -> str:
    rows = [
        "| what | server | CPU µs | PostgreSQL's and Redis's µs | req/s | bytes | p50 ms | p95 ms "
        f"| CPU to {OURS} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for question, subjects in costs.items():
        for name, cost in subjects.items():
            rows.append(
                f"| {question} | {name} | {cost.spent(1e6, 0)} "
                f"| {median(cost.beside) * 1e6:.0f} | {median(cost.rates):.0f} | {cost.bytes:.0f} "
                f"| {cost.waited()} | {cost.times(subjects.get(OURS, cost)):.2f} |"
            )
    return "\n".join(rows) + "\n"


def _crowded(subjects: list[Subject], size: crowd.Crowd) -> str:
    told = []
    for subject in subjects:
        if subject.peer.name not in (OURS, NEST):
            continue
        mixed = zip(
            *(subject.requests[each](1000) for each in (CATALOGUE, LIST, DETAIL)), strict=True
        )
        came = crowd.come(subject.peer.port, list(chain.from_iterable(mixed)), size)
        told.append(f"- {subject.peer.name}: {came}.\n")
        _say(told[-1].strip())
    return (
        f"{size.connections:,} kept connections, {size.rate} requests a second for "
        f"{size.seconds} s (catalogue, list and order in turn), latency from when a request was "
        "due:\n\n" + "".join(told)
    )


def _rotated(subjects: list[Subject], number: int) -> Iterator[Subject]:
    order = deque(subjects)
    order.rotate(number)
    yield from order


def _setting(command: str, effort: Effort) -> str:
    ours = ", ".join(f"{name} {version(name)}" for name in ("litestar", "uvicorn", "sqlalchemy"))
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {effort.orders:,} orders, {effort.rounds} "
        f"interleaved rounds of {effort.requests:,} requests ({_OFTENER} times as many of what is "
        f"kept ready) over {CONNECTIONS} connections, medians (least to most). {page.machine()}. "
        f"Python {platform.python_version()}, {ours}; {peers.versions()}.\n"
    )


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
