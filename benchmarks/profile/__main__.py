"""`python -m benchmarks.profile`: where the CPU of the hot paths goes, by what it is spent in."""

import argparse
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.api.questions import CATALOGUE, DETAIL, LIST, UNCHANGED
from benchmarks.goals import Tables
from benchmarks.pictures.application import environment
from benchmarks.processor import cpu_seconds
from benchmarks.profile import paths, sampler
from benchmarks.profile.attribute import REST, shared
from benchmarks.servers import data_directory
from infra.local.stack import Stack

PAGE: Final = page.PAGE.with_name("profiles.md")
# Parts that come to less of every path are told together.
LEAST_SHARE: Final = 0.02
# For its CPU a path is driven at least so long, without anybody looking.
UNSEEN_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Profile:
    """CPU seconds a request, and how often each part was seen at work."""

    processor: float
    parts: Counter[str]

    def spent(self, part: str) -> float:
        """CPU seconds a request in it."""
        return self.processor * self.share(part)

    def share(self, part: str) -> float:
        """Of all."""
        return self.parts[part] / self.parts.total()


def main() -> None:
    """Measure, print the table, and with --write put it into docs/profiles.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three seconds a path instead of ten")
    parser.add_argument("--write", action="store_true", help="into docs/profiles.md, too")
    parser.add_argument("--only", nargs="+", choices=paths.NAMES, default=paths.NAMES)
    given = parser.parse_args()
    if given.write and given.only != paths.NAMES:
        parser.error("--write wants all of it")
    seconds = 3 if given.quick else 10
    sampler.install()
    allow_many()
    with (
        tempfile.TemporaryDirectory(prefix="comanda-profile-") as directory,
        Stack(data_directory(Path(directory)), replicas=0) as stack,
    ):
        profiles = {
            name: _profiled(name, path, seconds)
            for name, path in paths.one_by_one(environment(stack), given.only)
        }
    command = "python -m benchmarks.profile" + (" --quick" if given.quick else "")
    floors = _floors(Tables(page.PAGE.read_text("utf-8")))
    text = f"{_setting(command, seconds, profiles)}\n{table(profiles, floors)}"
    print(text)
    if given.write:
        page.write("profiles", text, PAGE)


def _profiled(name: str, path: paths.Path, seconds: int) -> Profile:
    path.turn()
    before, until, requests = cpu_seconds(path.process), time.monotonic() + UNSEEN_SECONDS, 0
    while time.monotonic() < until:
        requests += path.turn()
    processor = (cpu_seconds(path.process) - before) / requests
    found = Profile(processor, shared(sampler.sampled(path.process, seconds, path.turn)))
    _say(f"{name}: {processor * 1e6:.1f} µs, {found.parts.total()} looks")
    return found


def _floors(tables: Tables) -> dict[str, float]:
    """CPU microseconds, of docs/performance.md; nobody has one for an order that is placed."""
    bare = "uvicorn and asyncpg alone"
    room = "room of 5,000, an event at a time: CPU µs a delivery"
    return {
        CATALOGUE: tables.figure("CPU µs", "api", CATALOGUE, "nginx, a file"),
        UNCHANGED: tables.figure("CPU µs", "api", UNCHANGED, "nginx, a file"),
        LIST: tables.figure("CPU µs", "api", LIST, bare),
        DETAIL: tables.figure("CPU µs", "api", DETAIL, bare),
        paths.STORED: tables.figure("CPU µs", "pictures", "nginx"),
        paths.COLD: tables.figure("JPEG from a level (aim)", "/pictures", "w 400") * 1000,
        paths.FRAMES: tables.figure("send(2) in C", "realtime", room),
    }


def table(profiles: Mapping[str, Profile], floors: Mapping[str, float]) -> str:
    """Microseconds a request, by part and path."""
    parts = {part for each in profiles.values() for part in each.parts}
    most = {part: max(each.share(part) for each in profiles.values()) for part in parts}
    told = sorted(
        (part for part in parts if most[part] >= LEAST_SHARE and part != REST),
        key=lambda part: -most[part],
    )
    rows = [
        f"| CPU µs | {' | '.join(profiles)} |",
        "|---|" + "---|" * len(profiles),
        _row("all", [each.processor for each in profiles.values()]),
        f"| the floor | {' | '.join(_floor(floors.get(name)) for name in profiles)} |",
        *(_row(part, [each.spent(part) for each in profiles.values()]) for part in told),
        _row(
            REST,
            [each.processor - sum(each.spent(part) for part in told) for each in profiles.values()],
        ),
    ]
    return "\n".join(rows) + "\n"


def _row(name: str, spent: list[float]) -> str:
    return f"| {name} | {' | '.join(map(_microseconds, spent))} |"


def _floor(spent: float | None) -> str:
    return "" if spent is None else f"{spent:,.4g}"


def _microseconds(seconds: float) -> str:
    spent = seconds * 1e6
    return f"{spent:,.0f}" if spent >= 20 else f"{spent:.1f}"


def _setting(command: str, seconds: int, profiles: Mapping[str, Profile]) -> str:
    looks = min(each.parts.total() for each in profiles.values())
    return (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {seconds} s a path, at least {looks} looks of "
        f"{sampler.PYSPY} at whoever was at work. {page.machine()}. Python "
        f"{platform.python_version()}.\n"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
