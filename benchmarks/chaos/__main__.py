"""`python -m benchmarks.chaos`: one part after the other is taken away while people order.

For each it is told what people noticed, whether anything was lost, when all was as before, and
which alerts fired.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from asyncpg import PostgresError

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.chaos import figures, place, report
from benchmarks.chaos.alerts import Alerts
from benchmarks.chaos.faults import FAULTS, Fault
from benchmarks.chaos.place import Place
from benchmarks.chaos.probes import Probe, Question
from benchmarks.chaos.report import PATIENCE, Outcome
from benchmarks.load import generator, truth
from benchmarks.load.generator import Generator
from benchmarks.load.truth import Verdict
from benchmarks.servers import data_directory
from domain.model import Role

PAGE: Final = page.PAGE.with_name("chaos.md")
CALM: Final = 10.0
# So long nobody may notice anything any more.
WELL: Final = 5.0
# For alerts to be over before the next fault begins.
QUIET: Final = 30.0
# For orders that are under way in the end.
_LAST_ORDERS: Final = 120.0
_TICK: Final = 0.25
_A_SECOND: Final = 25.0
"""So many people come in a second."""


class Chaos:
    """A crowd, those who watch it, and one fault after the other."""

    def __init__(self, at: Place, crowd: Generator, alerts: Alerts, probes: dict[str, Probe]):
        self._place = at
        self._crowd = crowd
        self._alerts = alerts
        self._probes = probes

    def outcome(self, fault: Fault) -> Outcome:
        """Have it happen, and wait until it is over."""
        try:
            fault.before(self._place)
            return self._outcome(fault)
        finally:
            fault.after(self._place)

    def _outcome(self, fault: Fault) -> Outcome:
        at = self._place
        self._until(lambda: at.is_whole, PATIENCE)
        self._until(lambda: not self._alerts.firing(time.time()), QUIET)
        at.rest(CALM)
        struck = time.time()
        calm = figures.taken(figures.within(self._crowd.seconds, struck - CALM, struck))
        before_ms = calm.quantile(0.95)
        try:
            fault.strike(at)
            while time.time() < struck + fault.seconds:
                fault.meanwhile(at)
                time.sleep(_TICK)
            over = time.time()
        finally:
            fault.mend(at)
        whole = self._until(lambda: at.is_whole, PATIENCE)
        self._until(lambda: self._is_as_before(over, before_ms), PATIENCE)
        ended = time.time()
        return Outcome(
            fault,
            before_ms,
            struck,
            over,
            whole,
            ended,
            figures.within(self._crowd.seconds, struck, ended),
            self._alerts.fired(struck, ended),
            {
                name: figures.longest_outage(probe.asked, struck, ended)
                for name, probe in self._probes.items()
            },
        )

    def _is_as_before(self, over: float, before_ms: float) -> bool:
        seconds = [each for each in self._crowd.seconds if each.at >= over]
        well = figures.healed(seconds, over, before_ms)
        return well is not None and seconds[-1].at - over - well >= WELL

    def _until(self, holds: Callable[[], bool], patience: float) -> float | None:
        deadline = time.time() + patience
        while time.time() < deadline:
            # What cannot be asked just now does not hold.
            with suppress(OSError, PostgresError):
                if holds():
                    return time.time()
            self._place.rest(_TICK)
        return None


def main() -> None:
    """Break one part after the other, print the table, and with --write put it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="FAULT")
    parser.add_argument("--users", type=int, default=500, help="how many order meanwhile")
    parser.add_argument("--write", action="store_true", help="into docs/chaos.md, too")
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if fault.name in given.only]
    if os.geteuid() != 0:
        for fault in [fault for fault in chosen if fault.by_root]:
            _say(f"{fault.name} is left out: a disk is mounted for it, as root")
            chosen.remove(fault)
    # Or a disk would stay mounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    python = generator.install()
    allow_many()
    with tempfile.TemporaryDirectory(prefix="comanda-chaos-") as home:
        outcomes, verdict = _measured(data_directory(Path(home)), python, chosen, given.users)
    text = report.text(given.users, outcomes, verdict)
    print(text)
    if given.write:
        page.write("chaos", text, PAGE)
    wrong = [
        f"{each.fault.name}: {', '.join(each.missing)} did not fire"
        for each in outcomes
        if each.missing
    ]
    if wrong or verdict.differences:
        sys.exit("\n".join([*wrong, *verdict.differences]))


def _measured(
    data: Path, python: Path, chosen: Sequence[Fault], users: int
) -> tuple[list[Outcome], Verdict]:
    with ExitStack() as open_:
        at = open_.enter_context(place.running(data, users, _say))
        alerts = Alerts(data.parent / "alerts", at.application.port, at.redis, at.database_url)
        open_.enter_context(alerts.running())
        crowd = open_.enter_context(Generator(python, at.directory, at.url, at.size.counters))
        crowd.people(users, _A_SECOND)
        probes = {name: open_.enter_context(each) for name, each in _probes(at).items()}
        at.rest(users / _A_SECOND + CALM)
        chaos, outcomes = Chaos(at, crowd, alerts, probes), []
        for fault in chosen:
            _say(fault.words)
            outcomes.append(chaos.outcome(fault))
            _say(outcomes[-1].row)
        return outcomes, _verdict(at, crowd)


def _verdict(at: Place, crowd: Generator) -> Verdict:
    """The last orders are served, all leave, and what they were told is compared with what is
    held."""
    crowd.close()
    deadline = time.monotonic() + _LAST_ORDERS
    while asyncio.run(truth.under_way(at)) and time.monotonic() < deadline:
        at.rest(1)
    # Phones look again some time after it is over.
    at.rest(CALM)
    crowd.stop()
    return asyncio.run(truth.check(at))


def _probes(at: Place) -> dict[str, Probe]:
    """Somebody who reads, somebody who writes, and somebody who wants to see what nobody saw."""
    spare = at.spare[-1]

    def somebody() -> dict[str, str]:
        # A token is good for a quarter of an hour only.
        return {"authorization": at.bearer(spare, Role.CUSTOMER)}

    pictures = [Question("GET", path) for path in place.PICTURES]
    return {
        "reading": Probe(at.url, [Question("GET", "/api/home")], somebody, 0.1),
        "writing": Probe(at.url, [Question("POST", "/api/notifications/read")], somebody, 0.1),
        "pictures": Probe(at.url, pictures, lambda: {"accept": "image/webp"}, 0.5),
    }


def _say(text: str) -> None:
    print(f"{time.strftime('%X')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
