"""What runs under a data directory, written down so that the next start can clear up after us."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from infra.local.account import foreign
from infra.local.failure import StackError, system_failed
from infra.local.private_file import write_private
from infra.local.process import Child, Identity

_FILE = "state.json"
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Entry:
    """One process: who it is, and how it is asked to end."""

    role: str
    pid: int
    began: str
    port: int | None
    since: str  # RFC 3339, UTC
    ending: int  # the polite signal

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.began)


@dataclass(frozen=True)
class Record:
    """What `state.json` says."""

    supervisor: Entry | None = None
    url: str | None = None
    processes: tuple[Entry, ...] = ()


class Ledger:
    """The record of this supervisor; every change is written at once."""

    def __init__(self, data: Path, report: Callable[[str], None]) -> None:
        self._file = data / _FILE
        self._report = report
        self._supervisor = _entry("supervisor", Identity.of_self(), None, SIGTERM)
        self._url: str | None = None
        self._processes: dict[str, Entry] = {}

    def open(self) -> None:
        self._write()

    def publish(self, url: str) -> None:
        """Remember the address that people use."""
        self._url = url
        self._write()

    def add(self, child: Child, port: int | None) -> None:
        self._processes[child.role] = _entry(child.role, child.identity, port, child.ending)
        self._write()

    def remove(self, role: str) -> None:
        if self._processes.pop(role, None) is not None:
            self._write()

    def close(self) -> None:
        """Nothing runs any more."""
        forget(self._file.parent)

    def _write(self) -> None:
        record = Record(self._supervisor, self._url, tuple(self._processes.values()))
        try:
            write_private(self._file, json.dumps(asdict(record), indent=1))
        except OSError as error:
            # The servers are worth more than their list, and the leash holds without it.
            self._report(f"{self._file} could not be written: {error.strerror}")


def read(data: Path) -> Record:
    """The record in `data`; an empty one when there is none or it is damaged.

    Raises StackError when it is another user's, who may well run a stack there.
    """
    try:
        found = json.loads((data / _FILE).read_text("utf-8"))
        supervisor = found["supervisor"]
        return Record(
            supervisor=Entry(**supervisor) if supervisor else None,
            url=found["url"],
            processes=tuple(Entry(**each) for each in found["processes"]),
        )
    except PermissionError as error:
        raise _closed(data / _FILE, error) from error
    except (OSError, ValueError, KeyError, TypeError):
        return Record()


def _closed(path: Path, error: PermissionError) -> StackError:
    """The nearest part of `path` that we may look at says whose it is."""
    for part in (path, *path.parents):
        with contextlib.suppress(OSError):
            return system_failed(error) if part.stat().st_uid == os.geteuid() else foreign(part)
    return system_failed(error)


def forget(data: Path) -> None:
    (data / _FILE).unlink(missing_ok=True)


def end_leftovers(record: Record, report: Callable[[str], None]) -> None:
    """End what a killed supervisor left behind: only the very processes it had started."""
    alive = [entry for entry in record.processes if entry.identity.is_alive()]
    for entry in alive:
        report(f"Ending {entry.role} (process {entry.pid}), left over from an earlier run")
        entry.identity.send(Signals(entry.ending))
    for entry in alive:
        if not entry.identity.wait(_END_SECONDS):
            entry.identity.send(SIGKILL)
            entry.identity.wait(_END_SECONDS)


def _entry(role: str, identity: Identity, port: int | None, ending: Signals) -> Entry:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Entry(role, identity.pid, identity.began, port, since, int(ending))
