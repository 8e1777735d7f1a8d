"""A PostgreSQL of the drill's own: made, archived, destroyed, and made again of its archive."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

from infra.local.account import choose
from infra.local.failure import StackError, server_failed
from infra.local.ports import LOOPBACK, Ports
from infra.local.postgres import SUPERUSER, Cluster, Psql, installed_postgres
from infra.local.private_file import write_private
from infra.local.process import Child, Command, clean_environment
from infra.recovery import archive
from infra.recovery.archive import Archive

_PATIENCE: Final = 120.0
_PAUSE: Final = 0.05


class Server:
    """One node below `home`, whose WAL goes through `spool` at least every `every` seconds."""

    def __init__(self, home: Path, password: str, every: int) -> None:
        home.mkdir(mode=0o755)
        self.logs = home / "logs"
        self._home = home
        self._every = every
        self._ports = Ports(home / "ports.json")
        self.logs.mkdir()
        self._account = choose(home, installed_postgres(), "drill")
        # Where its account may write, too.
        self.spool = self._account.home / "spool"
        self._cluster = Cluster(
            self._account, self._ports, self.logs, password, replicas=0, fast=False
        )
        self._psql = Psql(installed_postgres(), self._cluster.passfile)
        self._child: Child | None = None
        self.url = self._cluster.primary.url

    @property
    def directory(self) -> Path:
        """Its data."""
        return self._cluster.primary.directory

    def make(self) -> None:
        """A new one, that archives from its first moment."""
        self._cluster.make(lambda _: None)
        self._cluster.open()
        self._empty_spool()
        self._set(
            {
                "archive_mode": "on",
                "archive_timeout": str(self._every),
                "archive_command": archive.command(self.spool),
            }
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes writes. Raises StackError."""
        node = self._cluster.primary
        self._child = Child(node.role, node.command())
        deadline = time.monotonic() + _PATIENCE
        while not node.answers() or self.rows("select pg_is_in_recovery()") != [("f",)]:
            if self._child.exit_code() is not None or time.monotonic() > deadline:
                raise server_failed("PostgreSQL did not start", self._child.log, 0)
            time.sleep(_PAUSE)

    def beside(self, home: Path) -> Server:
        """Another one, for what this one's archive holds."""
        return Server(home, self._cluster.password, self._every)

    def remove(self) -> None:
        """End it, and let nothing of it be left."""
        if self._child is not None:
            self._child.end(30.0)
        shutil.rmtree(self.spool, ignore_errors=True)
        shutil.rmtree(self._cluster.directory, ignore_errors=True)
        if self._account.home != self._home:
            shutil.rmtree(self._account.home, ignore_errors=True)

    def rows(self, statement: str, database: str = "") -> list[tuple[str, ...]]:
        """What a statement returns."""
        script = f"\\connect {database}\n{statement};" if database else f"{statement};"
        return self._psql.run(self._cluster.primary.port, script, _PATIENCE)

    def back_up(self, kept: Archive) -> int:
        """A base backup into the archive; its bytes."""
        target = self._cluster.directory / "backup"
        command = Command(
            [
                str(self._account.binaries / "pg_basebackup"),
                f"--pgdata={target}",
                "--format=tar",
                "--wal-method=none",
                "--checkpoint=fast",
                "--no-password",
            ],
            clean_environment(
                PGHOST=LOOPBACK,
                PGPORT=str(self._cluster.primary.port),
                PGUSER=SUPERUSER,
                PGPASSFILE=str(self._cluster.passfile),
            ),
            log=self.logs / "backup.log",
            account=self._account,
            directory=Path("/"),
        )
        self._done("backup", command)
        size = kept.keep_base(target)
        shutil.rmtree(target)
        return size

    def destroy(self) -> float:
        """Kill it as a machine is killed, and what was on it with it; the moment of that."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        moment = time.time()
        shutil.rmtree(self.spool)
        self._child.wait(_PATIENCE)
        self._remove(self.directory)
        return moment

    def restore(self, kept: Archive, until: str | None = None) -> int:
        """Make it again of the archive, as of the end of it or of the moment `until`, and start
        it; the files of WAL that were fetched. One as of a moment archives nothing."""
        draft = self._cluster.directory / "restore"
        shutil.rmtree(draft, ignore_errors=True)
        for part in ("wal", "primary"):
            (draft / part).mkdir(mode=0o700, parents=True)
        files = kept.fetch(draft / "base.tar", draft / "wal")
        self._own(self._cluster.directory, *draft.rglob("*"), draft)
        unpack = ["tar", "-xf", str(draft / "base.tar"), "-C", str(draft / "primary")]
        self._done("unpack", self._as_account(unpack))
        (draft / "primary").rename(self.directory)
        settings = {"restore_command": f'cp "{draft}/wal/%f" "%p"'}
        if until is not None:
            settings |= {
                "archive_mode": "off",
                "recovery_target_time": until,
                "recovery_target_action": "promote",
            }
        self._empty_spool()
        self._set(settings)
        write_private(self.directory / "recovery.signal", "", self._account.owner)
        line = f"{LOOPBACK}:*:*:{SUPERUSER}:{self._cluster.password}\n"
        write_private(self._cluster.passfile, line, self._account.owner)
        self.start()
        return files

    def _set(self, settings: dict[str, str]) -> None:
        """As ALTER SYSTEM would, and after what it has set before."""
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        file = self.directory / "postgresql.auto.conf"
        write_private(file, file.read_text("utf-8") + lines, self._account.owner)

    def _empty_spool(self) -> None:
        self.spool.mkdir(mode=0o700, exist_ok=True)
        self._own(self.spool)

    def _own(self, *paths: Path) -> None:
        for path in paths:
            os.chown(path, *self._account.owner)

    def _as_account(self, argv: list[str]) -> Command:
        return Command(
            argv,
            clean_environment(),
            log=self.logs / "recovery.log",
            account=self._account,
            directory=Path("/"),
        )

    def _done(self, what: str, command: Command) -> None:
        child = Child(what, command)
        if not child.wait(_PATIENCE) or child.exit_code() != 0:
            raise server_failed(f"The {what} failed", child.log, child.log_start)

    def _remove(self, tree: Path) -> None:
        """Its last processes may still write there for a moment."""
        deadline = time.monotonic() + _PATIENCE
        while tree.exists():
            shutil.rmtree(tree, ignore_errors=True)
            if time.monotonic() > deadline:
                raise StackError(f"{tree} cannot be removed.", "Look at who writes there.")
