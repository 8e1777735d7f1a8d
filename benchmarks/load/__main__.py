"""`make load`: thousands at lunch, how long they waited, and whether all they heard was true."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.load import campus, generator
from benchmarks.load.conductor import Conductor
from benchmarks.load.report import Report

USERS: Final = 5_000
MINUTES: Final = 3.0
PAGE: Final = page.PAGE.with_name("load.md")
OUT: Final = Path(".comanda/load")


def main() -> None:
    """Run it; exit code 1 where what people were told is not what is held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--users", type=int, default=USERS, help="phones (%(default)s)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="(%(default)s)")
    parser.add_argument("--cold", action="store_true", help="no variants from yesterday")
    parser.add_argument("--out", type=Path, default=OUT, help="for the report (%(default)s)")
    parser.add_argument("--write", action="store_true", help="into docs/load.md, too")
    given = parser.parse_args()
    python = generator.install()
    allow_many()
    size = campus.Size(phones=given.users, has_shelf=not given.cold)
    with (
        tempfile.TemporaryDirectory(prefix="comanda-load-") as directory,
        campus.running(_reachable(Path(directory)), size, _say) as place,
        generator.Generator(python, place.directory, place.url, size.counters) as crowd,
    ):
        conductor = Conductor(place, crowd, _say)
        conductor.gather(given.users)
        window = conductor.measure(60 * given.minutes)
        verdict = conductor.close()
        report = Report(
            _command(),
            window,
            verdict,
            conductor.samples,
            crowd.seconds,
            size.workers,
        )
    text = report.markdown()
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "load.html").write_text(report.html(), "utf-8")
    (given.out / "load.md").write_text(text, "utf-8")
    _say(f"{given.out / 'load.html'} has how it went")
    if given.write:
        page.write("load", text, PAGE)
    raise SystemExit(1 if verdict.differences else 0)


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
