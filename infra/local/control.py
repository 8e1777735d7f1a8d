"""The stack seen from another process: how it is, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from infra.local import ledger, replication
from infra.local.data_directory import DataDirectory, in_use
from infra.local.failure import StackError
from infra.local.ledger import Entry, Record
from infra.local.postgres import Psql, installed_postgres
from infra.local.replication import Standing

_END_SECONDS = 60.0


@dataclass(frozen=True)
class ProcessStatus:
    """One process of the stack. `since` is RFC 3339, UTC."""

    role: str
    pid: int
    port: int | None
    alive: bool
    since: str


@dataclass(frozen=True)
class Status:
    """What a data directory's stack is doing."""

    running: bool  # its supervisor lives
    url: str | None
    processes: tuple[ProcessStatus, ...]  # the supervisor first
    replication: tuple[Standing, ...]  # empty when the primary does not answer us


def require_none(data_dir: Path | str) -> None:
    """Raise StackError, with who and where, when a stack runs in `data_dir`."""
    data = Path(data_dir).absolute()
    supervisor = ledger.read(data).supervisor
    if supervisor is not None and supervisor.identity.is_alive():
        raise in_use(data)


def status(data_dir: Path | str) -> Status:
    """How the stack in `data_dir` is; what does not answer is left out.

    Raises StackError when the directory is another user's.
    """
    data = Path(data_dir).absolute()
    record = ledger.read(data)
    entries = (*([record.supervisor] if record.supervisor else []), *record.processes)
    return Status(
        running=record.supervisor is not None and record.supervisor.identity.is_alive(),
        url=record.url,
        processes=tuple(_process(entry) for entry in entries),
        replication=_replication(data, record),
    )


def down(data_dir: Path | str, report: Callable[[str], None] = lambda _: None) -> bool:
    """Stop the stack in `data_dir` and wait for its end; False when none was running.

    A supervisor that was killed is not needed: its leftovers are ended directly. Raises
    StackError when the stack is another user's or does not end.
    """
    data = Path(data_dir).absolute()
    record = ledger.read(data)
    if record.supervisor is None:
        return False
    try:
        asked = record.supervisor.identity.send(SIGTERM)
        if asked and not record.supervisor.identity.wait(_END_SECONDS):
            raise StackError(
                f"The stack in {data} (process {record.supervisor.pid}) does not end.",
                f"Look at its logs, or end it with: kill -9 {record.supervisor.pid} -- its "
                "servers then end by themselves.",
            )
        return _end_leftovers(data, report) or asked
    except PermissionError as error:
        raise StackError(
            f"The stack in {data} was started by another user.",
            "Stop it as the user who started it.",
        ) from error


def _end_leftovers(data: Path, report: Callable[[str], None]) -> bool:
    directory = DataDirectory(data)
    directory.lock()
    try:
        record = ledger.read(data)
        found = any(entry.identity.is_alive() for entry in record.processes)
        ledger.end_leftovers(record, report)
        ledger.forget(data)
    finally:
        directory.close()
    return found


def _process(entry: Entry) -> ProcessStatus:
    return ProcessStatus(entry.role, entry.pid, entry.port, entry.identity.is_alive(), entry.since)


def _replication(data: Path, record: Record) -> tuple[Standing, ...]:
    port = next((entry.port for entry in record.processes if entry.role == "primary"), None)
    if port is None:
        return ()
    try:
        return replication.ask(Psql(installed_postgres(), data / "postgres" / "pgpass"), port)
    except StackError:
        return ()
