"""The directory a stack lives in: one supervisor at a time, secrets only its owner can read."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local import ledger
from infra.local.account import SYSTEM_PREFIX, foreign
from infra.local.failure import StackError, system_failed
from infra.local.private_file import write_private

_CONTENTS = ("postgres", "postgres.partial", "valkey", "s3", "edge", "ports.json", "secrets.json")


@dataclass(frozen=True)
class Secrets:
    """Made once for a data directory. `instance` tells it from an earlier one of the same path."""

    instance: str
    postgres: str
    valkey: str
    s3_access_key: str
    s3_secret_key: str

    @classmethod
    def make(cls) -> Secrets:
        # Hexadecimal: safe in URLs, in configuration files and in the Redis protocol as it is.
        return cls(*(secrets.token_hex(size) for size in (8, 24, 24, 10, 20)))


class DataDirectory:
    """`path`, once it is ours to write in and locked against a second supervisor."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def is_locked(self) -> bool:
        return self._lock is not None

    def open(self) -> None:
        """Create and lock it. Raises StackError when it is another's, or in use."""
        if not str(self.path).isprintable():
            raise StackError(
                f"The data directory {str(self.path)!r} has control characters in its name.",
                "Choose another data directory.",
            )
        try:
            self._create()
            self.lock()
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise system_failed(error) from error

    def _create(self) -> None:
        if not self.path.exists():
            self.path.mkdir(parents=True)
            # As root the database runs under another account, which has to get through.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        marked = self.path / "secrets.json"
        if marked.exists() and marked.stat().st_uid != os.geteuid():
            raise foreign(marked)

    def lock(self) -> None:
        """Keep other supervisors out for as long as this process lives, or until `close`."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise in_use(self.path) from error
        self._lock = descriptor

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secrets(self) -> Secrets:
        """The passwords of this directory, made on the first call ever."""
        file = self.path / "secrets.json"
        try:
            return Secrets(**json.loads(file.read_text("utf-8")))
        except FileNotFoundError:
            if (self.path / "postgres").exists():
                raise self._unusable(file, "is missing") from None
        except (ValueError, TypeError):
            raise self._unusable(file, "is damaged") from None
        made = Secrets.make()
        write_private(file, json.dumps(asdict(made)))
        return made

    def require_space(self, where: Path, needed: int, what: str = "") -> None:
        """Raise StackError unless `needed` bytes are free in `where`; `what` needs them too."""
        free = shutil.disk_usage(where).free
        if free < needed:
            raise StackError(
                f"{where} has {free // 1_000_000:,} MB free; the stack "
                f"{f'with {what} ' if what else ''}needs {needed // 1_000_000:,} MB.",
                "Free some space, or choose a data directory on another disk"
                f"{', or ask for less' if what else ''}.",
            )

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def link(self, name: str, target: Path) -> None:
        """Show under `name` what had to be kept elsewhere."""
        here = self.path / name
        if here != target and not here.is_symlink():
            here.symlink_to(target)

    def erase(self, report: Callable[[str], None]) -> None:
        """Delete the data that stacks have made here, and nothing else; the logs stay."""
        found = [self.path / name for name in _CONTENTS if os.path.lexists(self.path / name)]
        if found:
            report(f"Deleting the stack's data in {self.path}")
        for path in found:
            if path.is_symlink():
                home = path.resolve().parent
                if home.name.startswith(SYSTEM_PREFIX):
                    shutil.rmtree(home, ignore_errors=True)
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _unusable(self, file: Path, what: str) -> StackError:
        return StackError(
            f"{file} {what}, and without its passwords the data beside it cannot be opened.",
            "Put the file back, or begin again with a fresh data directory.",
        )


def in_use(data: Path) -> StackError:
    """Another supervisor has `data`; the error says which, as far as it is known."""
    record = ledger.read(data)
    who = f"process {record.supervisor.pid}" if record.supervisor else "another process"
    where = f" at {record.url}" if record.url else ""
    return StackError(
        f"The stack in {data} is already running: {who}{where}.",
        "Use that one, or stop it first with: comanda down",
    )
