"""Starts the servers, notices within a moment when one dies, and starts it again a few times."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from signal import Signals

from infra.local.failure import StackError, log_tail, server_failed
from infra.local.ledger import Ledger
from infra.local.ports import Ports
from infra.local.process import Child, Command

_PORT_TAKEN = "already in use"  # what bind(2) says through all of our servers
_RESTART_WINDOW_SECONDS = 60.0
_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0)
_STOP_SECONDS = 15.0


class Server(ABC):
    """A program that is kept running: how it is started, and when it can be used."""

    role: str
    title: str
    ports: Ports | None = None
    port: int | None = None
    restarts = len(_BACKOFF_SECONDS)  # at most, within a minute
    finite = False  # code 0 is then its good end, and nothing to mend

    @abstractmethod
    def command(self) -> Command:
        """Write its settings and say how to start it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used now; takes a quarter of a second at most."""

    def move(self) -> None:
        """Choose another port: a stranger was quicker. Only before it has ever answered."""
        if self.ports is not None:
            self.port = self.ports.replace(self.role)


class Phase(Enum):
    STARTING = "starting"
    RUNNING = "running"
    RESTING = "between two tries"
    LOST = "lost"


class Watched:
    """One server with what has become of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.child: Child | None = None
        self.phase = Phase.STARTING
        self.answered_once = False
        self.began = 0.0
        self.due = 0.0  # of the next probe, or of the next try
        self.deaths: deque[float] = deque(maxlen=server.restarts + 1)

    def words(self) -> str:
        """The last lines of its log since it was last started."""
        child = self.child
        return log_tail(child.log, child.log_start) if child and child.log else ""


GiveUp = Callable[[Watched, StackError], None]


class Supervisor:
    """All children of one stack. Use it from one thread: the leash is tied to that thread."""

    def __init__(self, ledger: Ledger, report: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._report = report
        self._watched: dict[str, Watched] = {}
        self._give_up: dict[str, GiveUp] = {}
        self._helpers: list[Child] = []
        self._thread = threading.get_ident()

    def __getitem__(self, role: str) -> Watched:
        return self._watched[role]

    def get(self, role: str) -> Watched | None:
        return self._watched.get(role)

    def launch(self, server: Server, give_up: GiveUp | None = None) -> Watched:
        """Start `server` and keep it running. `give_up` decides what follows when that fails;
        without one, `poll` raises."""
        watched = self._watched[server.role] = Watched(server)
        if give_up is not None:
            self._give_up[server.role] = give_up
        self._start(watched)
        return watched

    def spawn(self, role: str, command: Command, port: int | None = None) -> Child:
        """Start a helper that the caller watches; it is recorded, and ended with the rest."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("the stack belongs to the thread that made it")
        child = Child(role, command)
        self._ledger.add(child, port)
        return child

    def help(self, role: str, command: Command) -> Child:
        child = self.spawn(role, command)
        self._helpers.append(child)
        return child

    def dismiss(self, helper: Child) -> None:
        """A helper is done with: end it if it still runs, and forget it."""
        helper.end(_STOP_SECONDS)
        self._helpers.remove(helper)
        self._ledger.remove(helper.role)

    def retire(self, role: str) -> None:
        """End one server and watch it no more."""
        watched = self._watched.pop(role, None)
        if watched is not None and watched.child is not None:
            watched.child.end(_STOP_SECONDS)
            self._ledger.remove(role)

    def poll(self) -> None:
        """Look at every server once, without waiting."""
        for role in list(self._watched):
            if role in self._watched:  # an earlier one may have taken it away
                self._look(self._watched[role])

    def _look(self, watched: Watched) -> None:
        code = watched.child.exit_code() if watched.child is not None else None
        if watched.phase in (Phase.STARTING, Phase.RUNNING) and code is not None:
            self._died(watched, code)
        elif watched.phase is Phase.RESTING and time.monotonic() >= watched.due:
            self._start(watched)
        elif watched.phase is Phase.STARTING and time.monotonic() >= watched.due:
            if watched.server.answers():
                self._answered(watched)
            else:
                watched.due = time.monotonic() + _probe_pause(watched)

    def _start(self, watched: Watched) -> None:
        server = watched.server
        watched.child = self.spawn(server.role, server.command(), server.port)
        watched.phase = Phase.STARTING
        watched.began = time.monotonic()

    def _answered(self, watched: Watched) -> None:
        again = watched.answered_once
        watched.phase = Phase.RUNNING
        watched.answered_once = True
        if again:
            self._report(f"{watched.server.title} is back")

    def _died(self, watched: Watched, code: int) -> None:
        server = watched.server
        self._ledger.remove(server.role)
        if server.finite and code == 0:
            del self._watched[server.role]
            return
        now = time.monotonic()
        while watched.deaths and now - watched.deaths[0] > _RESTART_WINDOW_SECONDS:
            watched.deaths.popleft()
        tries = len(watched.deaths)
        watched.deaths.append(now)
        child = watched.child
        failure = server_failed(
            f"{server.title} {_describe(code)}",
            child.log if child else None,
            child.log_start if child else 0,
        )
        if tries >= (server.restarts if watched.answered_once else min(2, server.restarts)):
            watched.phase = Phase.LOST
            self._lost(watched, failure)
            return
        if server.ports and not watched.answered_once and _PORT_TAKEN in watched.words():
            server.move()
        else:
            self._report(f"{failure.message}\nStarting {server.title} again")
        watched.phase = Phase.RESTING
        watched.due = now + _BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)]

    def _lost(self, watched: Watched, failure: StackError) -> None:
        give_up = self._give_up.get(watched.server.role)
        if give_up is None:
            raise failure
        give_up(watched, failure)

    def stop(self, order: Iterable[Iterable[str]]) -> None:
        """End everything. Roles of one group end together, the groups one after another;
        what no group names is asked with the first and waited for at the end."""
        groups = [
            [self._watched[role] for role in group if role in self._watched] for group in order
        ]
        named = {watched.server.role for group in groups for watched in group}
        rest = [each for role, each in self._watched.items() if role not in named]
        for helper in list(self._helpers):
            self.dismiss(helper)
        for position, group in enumerate(groups):
            self._ask(group if position else [*group, *rest])
            self._end(group)
        self._ask(rest)
        self._end(rest)
        self._watched.clear()

    def _ask(self, group: list[Watched]) -> None:
        for watched in group:
            if watched.child is not None:
                watched.child.ask_to_end()

    def _end(self, group: list[Watched]) -> None:
        for watched in group:
            if watched.child is not None and not watched.child.end(_STOP_SECONDS):
                self._report(f"{watched.server.title} did not end in time and was killed")
            self._ledger.remove(watched.server.role)


def _describe(code: int) -> str:
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _probe_pause(watched: Watched) -> float:
    """Ever longer: a database that replays its log writes a line for each attempt."""
    return min(max((time.monotonic() - watched.began) / 20, 0.01), 0.5)
