"""`make load`: thousands at lunch, how long they waited, and whether all they heard was true."""

import argparse
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Final

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.load import campus, climb, generator, soak
from benchmarks.load.conductor import Conductor, Window
from benchmarks.load.report import Report

USERS: Final = 5_000
MINUTES: Final = 3.0
SOAK_MINUTES: Final = 60.0
PAGE: Final = page.PAGE.with_name("load.md")
OUT: Final = Path(".comanda/load")
LUNCH, CLIMB, SOAK = "load", "climb", "soak"


def main() -> None:
    """Run it; exit code 1 where what people were told is not what is held."""
    given = _given()
    python = generator.install()
    allow_many()
    size = campus.Size(phones=given.users, has_shelf=not given.cold)
    with (
        tempfile.TemporaryDirectory(prefix="comanda-load-") as directory,
        campus.running(_reachable(Path(directory)), size, _say) as place,
        generator.Generator(
            python, place.directory, place.url, size.counters, pace=given.pace
        ) as crowd,
    ):
        conductor = Conductor(place, crowd, _say)
        window, table = _led(conductor, given)
        verdict = conductor.close()
        report = Report(
            _command(), window, verdict, conductor.samples, crowd.seconds, size.workers, table
        )
    text = report.markdown()
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.kind}.md").write_text(text, "utf-8")
    course = given.out / f"{given.kind}.html"
    course.write_text(report.html(), "utf-8")
    _say(f"{course} has how it went")
    if given.write:
        picture = f"images/load-{given.kind}.svg"
        (PAGE.parent / picture).write_text(report.svg(), "utf-8")
        page.write(given.kind, f"{text}\n![How it went]({picture})\n", PAGE)
    # What went wrong in the generator was not asked of the server.
    raise SystemExit(1 if verdict.differences or crowd.seconds[-1].exceptions else 0)


def _led(conductor: Conductor, given: Namespace) -> tuple[Window, str]:
    """What is measured, and the table that only this kind of run has."""
    if given.kind == CLIMB:
        steps = climb.climb(conductor, given.users, given.steps, _say)
        met = [step.window for step in steps if step.is_met_at_client]
        return (met or [steps[0].window])[-1], climb.table(steps)
    steps = []
    for number in range(1, given.steps):
        conductor.gather(given.users * number // given.steps)
        steps.append(climb.measured(conductor, climb.SECONDS, _say))
    conductor.gather(given.users)
    steps.append(climb.measured(conductor, 60 * given.minutes, _say))
    window = steps[-1].window
    if given.kind == SOAK:
        return window, soak.table(soak.trends(window.samples))
    return window, climb.table(steps) if given.steps > 1 else ""


def _given() -> Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--users", type=int, help=f"phones ({USERS}; half of them to soak)")
    parser.add_argument(
        "--minutes", type=float, help=f"({MINUTES:.0f}; {SOAK_MINUTES:.0f} to soak)"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--find",
        dest="kind",
        action="store_const",
        const=CLIMB,
        help="how many people the goals hold for, --users at most",
    )
    kinds.add_argument(
        "--soak", dest="kind", action="store_const", const=SOAK, help="whether anything grows"
    )
    parser.add_argument(
        "--steps", type=int, help=f"in which they come, each measured (1; {climb.STEPS} to find)"
    )
    parser.add_argument("--cold", action="store_true", help="no variants from yesterday")
    parser.add_argument("--pace", type=float, default=1.0, help="of all pauses (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="for the report (%(default)s)")
    parser.add_argument("--write", action="store_true", help="into docs/load.md, too")
    parser.set_defaults(kind=LUNCH)
    given = parser.parse_args()
    given.steps = given.steps or (climb.STEPS if given.kind == CLIMB else 1)
    soaks = given.kind == SOAK
    given.users = given.users or (USERS // 2 if soaks else USERS)
    given.minutes = given.minutes or (SOAK_MINUTES if soaks else MINUTES)
    return given


def _reachable(directory: Path) -> Path:
    # By the database's own account, too.
    directory.chmod(0o755)
    return directory / "data"


def _command() -> str:
    return " ".join(["python -m benchmarks.load", *sys.argv[1:]])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
