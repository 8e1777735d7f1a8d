"""`python -m benchmarks.start`: how long a process takes to begin and what it weighs, beside
NestJS, thumbor and IPX; and how long `comanda up` takes."""

import argparse
import asyncio
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import page
from benchmarks.api import peers as nodes
from benchmarks.api.load import drive
from benchmarks.api.questions import CATALOGUE, DETAIL, LIST, PLACE, asked, of_comanda, of_peers
from benchmarks.pictures import application, peers
from benchmarks.pictures.load import fetch
from benchmarks.pictures.peers import Peer, wait_for
from benchmarks.pictures.photographs import SIZES, drawn
from benchmarks.processor import children_named, cpu_seconds
from benchmarks.servers import data_directory
from benchmarks.start import up
from benchmarks.start.imports import APPLICATION, imported
from benchmarks.start.memory import Weight, weight
from infra.demo import loader
from infra.local.stack import Stack
from tests.serving import UNLIMITED, free_port

OURS: Final = "Comanda"
NEST: Final = "NestJS on Fastify"
PHOTOGRAPHS: Final = 12
# Enough that many people have a page of their own.
ORDERS: Final = 60_000
# Of each question, and as often each picture is asked for, before memory is looked at.
WARM: Final = 400
# Packages that take less of an import are told together.
LEAST_SHARE: Final = 0.02
_ROOMS: Final = ("bff", "domain", "imaging", "cdn")
_WORKER: Final = "imaging.worker_process"


@dataclass(frozen=True)
class Subject:
    """A server: how it is begun, and what is asked of it: a first picture, and to warm it."""

    name: str
    begin: Callable[[], Peer]
    picture: str | None = None
    pictures: Sequence[str] = ()
    questions: Sequence[bytes] = ()
    ready: str | None = None


@dataclass
class Began:
    """Seconds from the start of a process, and its CPU until the first answer, round by round."""

    answer: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    picture: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of three")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    given = parser.parse_args()
    rounds = 3 if given.quick else 7
    peers.install()
    nodes.install()
    with tempfile.TemporaryDirectory(prefix="comanda-start-") as directory:
        began, weighed = _measured(Path(directory), rounds)
    _say("comanda up")
    ups = [up.measured() for _ in range(1 if given.quick else 3)]
    imports = [imported() for _ in range(rounds)]
    command = "python -m benchmarks.start" + (" --quick" if given.quick else "")
    text = "\n".join(
        [_setting(command, rounds), _begun(began), _weights(weighed), _up(ups), _imports(imports)]
    )
    print(text)
    if given.write:
        page.write("start", text)


def _measured(directory: Path, rounds: int) -> tuple[dict[str, Began], dict[str, Weight]]:
    photographs = directory / "photographs"
    photographs.mkdir()
    bodies = drawn(SIZES["12 MP"])
    for number, body in enumerate(bodies):
        (photographs / f"12-MP-{number}.jpeg").write_bytes(body)
    with Stack(data_directory(directory), replicas=0) as stack:
        given = application.environment(stack) | UNLIMITED
        asyncio.run(application.prepare(given))
        asyncio.run(loader.load(given["COMANDA_DATABASE_URL"], ORDERS, _say))
        hung = asyncio.run(application.hang(given, bodies, PHOTOGRAPHS, pyramid=True))
        subjects = _subjects(given, hung, photographs)
        began = {each.name: Began() for each in subjects}
        for number in range(rounds):
            asyncio.run(application.clear(given, hung))
            for subject in (*subjects[number % 4 :], *subjects[: number % 4]):
                _begin(subject, began[subject.name])
            _say(f"Round {number + 1} of {rounds}")
        weighed: dict[str, Weight] = {}
        for subject in subjects:
            weighed |= _weighed(subject)
    return began, weighed


def _subjects(
    given: Mapping[str, str], hung: Sequence[application.Hung], photographs: Path
) -> list[Subject]:
    chosen = asyncio.run(asked(given["COMANDA_DATABASE_URL"]))
    ours, theirs = of_comanda(chosen, given["COMANDA_TOKEN_SECRET"]), of_peers(chosen)
    at = {
        "PEER_DATABASE_URL": given["COMANDA_DATABASE_URL"],
        "PEER_REDIS_URL": given["COMANDA_REDIS_URL"].removesuffix("/0") + "/9",
    }
    begins: dict[str, Callable[[], Peer]] = {
        OURS: lambda: application.start(OURS, free_port(), given, None),
        NEST: lambda: nodes.start_node(NEST, "main", free_port(), at),
        "thumbor": lambda: peers.start_thumbor("thumbor", free_port(), photographs, None),
        "IPX": lambda: peers.start_ipx("IPX", free_port(), photographs),
    }
    all_ours = [f"/products/{each.product_id}?w=400&fm=jpeg&q=80" for each in hung]
    numbers = [number % len(list(photographs.iterdir())) for number in range(PHOTOGRAPHS)]
    of_ipx = [f"/w_400,f_jpeg,q_80/12-MP-{number}.jpeg" for number in numbers]
    of_thumbor = [
        f"/unsafe/400x0/filters:format(jpeg):quality(80)/12-MP-{number}.jpeg" for number in numbers
    ]

    def many(requests: Mapping[str, Callable[[int], list[bytes]]]) -> list[bytes]:
        return [one for each in (CATALOGUE, LIST, DETAIL, PLACE) for one in requests[each](WARM)]

    return [
        Subject(OURS, begins[OURS], all_ours[0], all_ours, many(ours), "/ready"),
        Subject(NEST, begins[NEST], questions=many(theirs)),
        Subject("thumbor", begins["thumbor"], of_thumbor[0], of_thumbor),
        Subject("IPX", begins["IPX"], of_ipx[0], of_ipx),
    ]


def _begin(subject: Subject, began: Began) -> None:
    at = time.perf_counter()
    peer = subject.begin()
    try:
        began.answer.append(time.perf_counter() - at)
        began.processor.append(cpu_seconds(peer.process.pid))
        if subject.ready is not None:
            wait_for(peer, subject.ready)
            began.ready.append(time.perf_counter() - at)
        if subject.picture is not None:
            fetch(peer.port, subject.picture)
            began.picture.append(time.perf_counter() - at)
    finally:
        peer.stop()


def _weighed(subject: Subject) -> dict[str, Weight]:
    """When it has done some work: of it, and of what renders for it."""
    peer = subject.begin()
    try:
        if subject.questions:
            drive(peer.port, subject.questions, 32)
        for path in (*subject.pictures, *subject.pictures):
            fetch(peer.port, path)
        workers = [weight(process) for process in children_named(_WORKER, peer.process.pid)]
        found = {subject.name: weight(peer.process.pid)}
        if workers:
            heaviest = max(workers, key=lambda each: each.own)
            found[f"{subject.name}: the heaviest of {len(workers)} that render"] = heaviest
            found[f"{subject.name}: all of it"] = sum(workers, found[subject.name])
        return found
    finally:
        peer.stop()


def _begun(began: Mapping[str, Began]) -> str:
    rows = [
        "| server | CPU ms until it answers | answers after ms | is ready after ms "
        "| first picture after ms |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {_times(each.processor)} | {_times(each.answer)} | {_times(each.ready)} "
        f"| {_times(each.picture)} |"
        for name, each in began.items()
    ]
    return "\n".join(rows) + "\n"


def _weights(weighed: Mapping[str, Weight]) -> str:
    rows = ["| process | RSS MB | PSS MB | its own MB |", "|---|---|---|---|"]
    rows += [f"| {name} | {each} |" for name, each in weighed.items()]
    return "\n".join(rows) + "\n"


def _up(ups: Sequence[tuple[up.Came, up.Came]]) -> str:
    rows = ["| `comanda up` | first picture s | and a page of dishes s |", "|---|---|---|"]
    for name, which in (("in an empty directory", 0), ("in the same one, once more", 1)):
        pictures = median(each[which].picture for each in ups)
        pages = median(each[which].page for each in ups)
        rows.append(f"| {name} | {pictures:.2f} | {pages:.2f} |")
    return "\n".join(rows) + "\n"


def _imports(imports: Sequence[Counter[str]]) -> str:
    names = {name for each in imports for name in each}
    middle = {name: median(each[name] for each in imports) for name in names}
    whole = sum(middle.values())
    rows = [f"| `import {APPLICATION}` of | ms | of all |", "|---|---|---|"]
    told = sorted(middle.items(), key=lambda each: -each[1])
    rest = whole
    for name, spent in told:
        if spent >= LEAST_SHARE * whole or name in _ROOMS:
            kind = "ours, " if name in _ROOMS else ""
            rows.append(f"| {kind}`{name}` | {spent / 1000:.0f} | {spent / whole:.0%} |")
            rest -= spent
    rows.append(
        f"| {len(told)} packages and modules in all, the others | {rest / 1000:.0f} "
        f"| {rest / whole:.0%} |"
    )
    return "\n".join(rows) + "\n"


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    several = (median(seconds), min(seconds), max(seconds))
    middle, least, most = (f"{each * 1000:.0f}" for each in several)
    return f"{middle} ({least} to {most})"


def _setting(command: str, rounds: int) -> str:
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {rounds} interleaved rounds, medians (least "
        f"to most), every file in the kernel's cache. {page.machine()}. Python "
        f"{platform.python_version()}; {nodes.versions()}, {peers.THUMBOR}, {peers.IPX}.\n"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
