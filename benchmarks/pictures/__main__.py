"""`python -m benchmarks.pictures`: Comanda, IPX, thumbor and nginx in one interleaved run."""

import argparse
import asyncio
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import page
from benchmarks.pictures import application, peers, report
from benchmarks.pictures.cases import COLD, QUALITY, QUICK, Case, Cost, Subject
from benchmarks.pictures.load import drive, fetch
from benchmarks.pictures.peers import Peer
from benchmarks.pictures.photographs import DISHES, SIZES, drawn
from benchmarks.pictures.quality import Judge
from benchmarks.processor import cpu_seconds
from benchmarks.servers import Beside, data_directory
from infra.local.stack import Stack

PYRAMID = "Comanda"
DIRECT = "Comanda without the pyramid"
STORED = Case("12 MP", 400, None, "jpeg")
# So many of a round's requests make one measurement of a stored picture longer than a clock tick.
STORED_TIMES = 60


@dataclass(frozen=True)
class Effort:
    """How long it takes: at most some seven minutes, or two."""

    cases: list[Case]
    rounds: int
    requests: int


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of seven")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    asked = parser.parse_args()
    effort = Effort(QUICK, 3, 12) if asked.quick else Effort(COLD, 3, 24)
    peers.install()
    with tempfile.TemporaryDirectory(prefix="comanda-pictures-") as directory:
        tables = _measured(Path(directory), effort)
    command = "python -m benchmarks.pictures" + (" --quick" if asked.quick else "")
    text = report.setting(command, effort.rounds, effort.requests) + "\n" + tables
    print(text)
    if asked.write:
        page.write("pictures", text)


def _measured(directory: Path, effort: Effort) -> str:
    photographs = directory / "photographs"
    photographs.mkdir()
    judges = {name: _lay_out(photographs, name) for name in SIZES}
    data = data_directory(directory)
    with Stack(data, replicas=0) as stack, ExitStack() as running:
        given = application.environment(stack)
        asyncio.run(application.prepare(given))
        hung = {
            (name, pyramid): asyncio.run(
                application.hang(given, drawn(size), effort.requests, pyramid=pyramid)
            )
            for name, size in SIZES.items()
            for pyramid in (True, False)
            if pyramid or name != "2 MP"
        }
        subjects = _cold_subjects(running, given, hung, photographs)
        costs = {case: _matched(case, subjects, judges[case.photographs]) for case in effort.cases}
        beside = Beside("object_store_process", "postgres")
        for number in range(effort.rounds):
            for case, of_subjects in costs.items():
                asyncio.run(_clear(given, hung, case))
                for subject in _rotated(subjects, number):
                    if subject.name in of_subjects:
                        _measure(case, subject, of_subjects[subject.name], effort.requests, beside)
            _say(f"Round {number + 1} of {effort.rounds}")
        ready = _stored(running, given, hung, photographs, effort, beside)
    base = "nginx" if "nginx" in ready else PYRAMID
    return f"{report.cold(costs, PYRAMID)}\n{report.stored(ready, base)}"


def _lay_out(photographs: Path, name: str) -> Judge:
    bodies = drawn(SIZES[name])
    for number, body in enumerate(bodies):
        (photographs / f"{_label(name)}-{number}.jpeg").write_bytes(body)
    return Judge(bodies)


def _label(name: str) -> str:
    return name.replace(" ", "-")


Hung = Mapping[tuple[str, bool], list[application.Hung]]


def _cold_subjects(
    running: ExitStack, given: Mapping[str, str], hung: Hung, photographs: Path
) -> list[Subject]:
    """Nobody keeps anything: Comanda's memory is off and its shelf is cleared before a round,
    IPX and thumbor store nothing unless they are told to."""
    ours = _kept(running, application.start("Comanda", _port(), given, memory=0))
    ipx = _kept(running, peers.start_ipx("IPX", _port(), photographs))
    thumbor = _kept(running, peers.start_thumbor("thumbor", _port(), photographs, None))
    return [
        Subject(PYRAMID, ours.port, ours.process.pid, partial(_our_path, hung, True)),
        Subject(DIRECT, ours.port, ours.process.pid, partial(_our_path, hung, False)),
        Subject(ipx.name, ipx.port, ipx.process.pid, _ipx_path),
        Subject(thumbor.name, thumbor.port, thumbor.process.pid, _thumbor_path, requests=0.5),
    ]


def _matched(case: Case, subjects: list[Subject], judge: Judge) -> dict[str, Cost]:
    """For each server the quality at which it is as like the photographs as Comanda is."""
    costs: dict[str, Cost] = {}
    for subject in subjects:
        if subject.name == DIRECT and case.photographs == "2 MP":
            continue  # too small for a pyramid

        def answer(number: int, quality: int, subject: Subject = subject) -> bytes:
            return fetch(subject.port, subject.path(case, number, quality))

        quality: int | None = QUALITY
        if subject.name not in (PYRAMID, DIRECT):
            quality = judge.equal_quality(answer, costs[PYRAMID].likeness)
        likeness, size = judge.likeness(answer, quality or QUALITY)
        costs[subject.name] = Cost(
            bytes=size, quality=quality or QUALITY, equal=quality is not None, likeness=likeness
        )
    _say(f"{case}: " + ", ".join(f"{n} q {c.quality}" for n, c in costs.items()))
    return costs


def _measure(case: Case, subject: Subject, cost: Cost, requests: int, beside: Beside) -> None:
    number = max(1, round(requests * subject.requests))
    paths = [subject.path(case, each, cost.quality) for each in range(number)]
    before, before_beside = cpu_seconds(subject.process), beside.seconds()
    load = drive(subject.port, paths, subject.connections)
    cost.add(load, cpu_seconds(subject.process) - before, beside.seconds() - before_beside)


def _stored(
    running: ExitStack,
    given: Mapping[str, str],
    hung: Hung,
    photographs: Path,
    effort: Effort,
    beside: Beside,
) -> dict[str, Cost]:
    """The same variants over and over, made and stored by a first request for each."""
    results = photographs.parent / "results"
    results.mkdir()
    ours = _kept(running, application.start("Comanda", _port(), given, memory=None))
    shelf = _kept(running, application.start("Comanda", _port(), given, memory=0))
    thumbor = _kept(running, peers.start_thumbor("thumbor", _port(), photographs, results))
    our_path = partial(_page_path, hung)
    subjects = [
        Subject("Comanda, from memory", ours.port, ours.process.pid, our_path, requests=4),
        Subject("Comanda, from S3", shelf.port, shelf.process.pid, our_path),
        Subject("thumbor, result storage", thumbor.port, thumbor.process.pid, _thumbor_path),
    ]
    program = peers.nginx()
    if program is not None:
        files = photographs.parent / "static"
        files.mkdir()
        for number in range(len(DISHES)):
            body = fetch(ours.port, our_path(STORED, number, QUALITY))
            (files / f"{number}.jpeg").write_bytes(body)
        floor = _kept(running, peers.start_nginx("nginx", _port(), program, files))
        subjects.append(
            Subject(floor.name, floor.port, floor.process.pid, _static_path, requests=10)
        )
    costs = {subject.name: Cost() for subject in subjects}
    for subject in subjects:
        for number in range(len(DISHES)):
            fetch(subject.port, subject.path(STORED, number, QUALITY))
    for number in range(effort.rounds):
        for subject in _rotated(subjects, number):
            paths = [
                subject.path(STORED, each % len(DISHES), QUALITY)
                for each in range(round(effort.requests * STORED_TIMES * subject.requests))
            ]
            cost = costs[subject.name]
            before, before_beside = cpu_seconds(subject.process), beside.seconds()
            load = drive(subject.port, paths, subject.connections)
            cost.add(load, cpu_seconds(subject.process) - before, beside.seconds() - before_beside)
    return costs


def _our_path(hung: Hung, pyramid: bool, case: Case, number: int, quality: int) -> str:
    product = hung[case.photographs, pyramid][number].product_id
    height = f"&h={case.height}" if case.height else ""
    return f"/products/{product}?w={case.width}{height}&fm={case.format}&q={quality}"


def _page_path(hung: Hung, case: Case, number: int, quality: int) -> str:
    """As pages ask: by the address that a product is listed with, which names its version."""
    version = hung[case.photographs, True][number].picture.version
    return f"{_our_path(hung, True, case, number, quality)}&v={version}"


def _ipx_path(case: Case, number: int, quality: int) -> str:
    box = f"s_{case.width}x{case.height}" if case.height else f"w_{case.width}"
    modifiers = f"{box},f_{case.format},q_{quality}"
    return f"/{modifiers}/{_label(case.photographs)}-{number % len(DISHES)}.jpeg"


def _thumbor_path(case: Case, number: int, quality: int) -> str:
    filters = f"filters:format({case.format}):quality({quality})"
    photograph = f"{_label(case.photographs)}-{number % len(DISHES)}.jpeg"
    return f"/unsafe/{case.width}x{case.height or 0}/{filters}/{photograph}"


def _static_path(_case: Case, number: int, _quality: int) -> str:
    return f"/{number}.jpeg"


async def _clear(given: Mapping[str, str], hung: Hung, case: Case) -> None:
    for pyramid in (True, False):
        await application.clear(given, hung.get((case.photographs, pyramid), []))


def _rotated(subjects: list[Subject], number: int) -> Iterator[Subject]:
    order = deque(subjects)
    order.rotate(number)
    yield from order


def _kept(running: ExitStack, peer: Peer) -> Peer:
    running.callback(peer.stop)
    return peer


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
