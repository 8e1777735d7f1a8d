"""A process of Locust: one that leads, and others in which people are.

    python -m benchmarks.load.swarm lead PORT PROCESSES COUNTERS
    python -m benchmarks.load.swarm follow PORT DIRECTORY URL PACE

The leading one is told what to do by lines on its standard input (`people 500 20`: so many, so
many more a second; `closing`; `quit`), and writes what happened since the last line, as JSON, once
a second. It is run by a Python that has Locust, and nothing of ours besides these modules.
"""

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import gevent
import locust.runners
import locust.stats
from gevent.fileobject import FileObjectThread
from locust.env import Environment

from benchmarks.load.app import App, Lunch
from benchmarks.load.journal import Journal
from benchmarks.load.users import Counter, Phone

_SECOND: Final = 1.0
_CLOSING: Final = "closing"


def finer(milliseconds: float) -> float:
    """Locust rounds to two digits; a goal of 95 ms wants more."""
    if milliseconds < 10:
        return round(milliseconds, 1)
    return round(milliseconds) if milliseconds < 1000 else round(milliseconds, -2)


class _Told:
    """What the others have reported since the last line."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], dict[str, Any]] = {}
        self._errors: defaultdict[str, int] = defaultdict(int)

    def report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002
        """A listener of Locust's `worker_report`."""
        for entry in data["stats"]:
            known = self._counts.setdefault(
                (entry["method"], entry["name"]),
                {"requests": 0, "failures": 0, "milliseconds": 0.0, "times": defaultdict(int)},
            )
            known["requests"] += entry["num_requests"]
            known["failures"] += entry["num_failures"]
            known["milliseconds"] += entry["total_response_time"]
            for taken, count in entry["response_times"].items():
                known["times"][taken] += count
        for error in data["errors"].values():
            words = f"{error['method']} {error['name']}: {error['error']}"
            self._errors[words] += error["occurrences"]

    def line(self, people: int, exceptions: dict[str, int]) -> str:
        """All of it, which begins anew."""
        entries = [
            {"method": method, "name": name, **counts, "times": [*counts["times"].items()]}
            for (method, name), counts in self._counts.items()
        ]
        told = {"at": time.time(), "people": people, "entries": entries, "errors": self._errors}
        encoded = json.dumps({**told, "exceptions": exceptions})
        self._counts, self._errors = {}, defaultdict(int)
        return encoded


def lead(port: int, processes: int, counters: int) -> None:
    """Until `quit`, or until nobody listens any more."""
    Counter.fixed_count = counters
    environment = Environment(user_classes=[Phone, Counter])
    told = _Told()
    environment.events.worker_report.add_listener(told.report)
    runner = environment.create_master_runner("127.0.0.1", port)
    while len(runner.clients.ready) < processes:
        gevent.sleep(0.05)

    def obey() -> None:
        for line in FileObjectThread(sys.stdin.buffer, "rb"):
            wanted, *numbers = line.decode().split()
            if wanted == "people":
                people, rate = map(float, numbers)
                gevent.spawn(runner.start, int(people), rate)
            elif wanted == _CLOSING:
                runner.send_message(_CLOSING)
            else:
                break
        runner.quit()

    obeying = gevent.spawn(obey)
    while not obeying.ready():
        gevent.sleep(_SECOND)
        # Of our own code here, and of nobody's answers.
        exceptions = {each["msg"]: each["count"] for each in runner.exceptions.values()}
        print(told.line(runner.user_count, exceptions), flush=True)


def follow(port: int, directory: Path, url: str, pace: float) -> None:
    """Until the one that leads says so."""
    lunch = Lunch(directory, Journal(directory, str(os.getpid())), pace)
    App.lunch, App.host = lunch, url
    environment = Environment(user_classes=[Phone, Counter])
    runner = environment.create_worker_runner("127.0.0.1", port)

    def close(**_: Any) -> None:
        lunch.is_closing = True

    runner.register_message(_CLOSING, close)
    runner.greenlet.join()
    lunch.journal.close()


def main(role: str, port: str, *more: str) -> None:
    """One of the two."""
    locust.runners.WORKER_REPORT_INTERVAL = _SECOND
    locust.stats.bucket_response_time = finer
    if role == "lead":
        processes, counters = map(int, more)
        lead(int(port), processes, counters)
    else:
        directory, url, pace = more
        follow(int(port), Path(directory), url, float(pace))


if __name__ == "__main__":
    main(*sys.argv[1:])
