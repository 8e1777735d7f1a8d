"""The whole embedded stack under one data directory: start it, look after it, stop it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from infra.local import account, ledger
from infra.local.addresses import Addresses, Given
from infra.local.data_directory import DataDirectory, Secrets
from infra.local.failure import StackError, server_failed, system_failed
from infra.local.object_store import ObjectStore
from infra.local.ports import Ports
from infra.local.postgres import Cluster, Flush, Psql, installed_postgres
from infra.local.process import Command
from infra.local.replication import Replication
from infra.local.supervisor import Phase, Server, Supervisor, Watched
from infra.local.valkey import Valkey

Report = Callable[[str], None]

_PAUSE_SECONDS = 0.1
_EAGER_PAUSE_SECONDS = 0.01
_DISK_CHECK_SECONDS = 10.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What a stack asks of the machine, and how long it waits."""

    fresh_bytes: int = 700 * _MEGABYTE  # four nodes, their WAL, and what the slots may keep
    warm_bytes: int = 200 * _MEGABYTE
    low_bytes: int = 100 * _MEGABYTE  # below this it warns while it runs
    reserve_bytes: int = 64 * _MEGABYTE  # below this the object store takes nothing more
    start_seconds: float = 120.0  # a crashed database may first have to replay its WAL


class Program(Server):
    """A child of the caller's, such as the application itself."""

    def __init__(self, role: str, command: Command, restarts: int, *, finite: bool) -> None:
        self.role = role
        self.title = role.capitalize()
        self.restarts = restarts
        self.finite = finite
        self._command = command

    def command(self) -> Command:
        return self._command

    def answers(self) -> bool:
        return True


class Stack:
    """PostgreSQL with standbys, Valkey and an S3 API, except those that are `given`.

    `report` is told what happens, in sentences. `fast` trades durability for speed (tests).
    `fresh` deletes what earlier stacks left in `data_dir`; `system_home` is where PostgreSQL
    lives when root can run it nowhere else. All methods raise StackError and
    belong to one thread, which has to live as long as the stack: the servers end with it.
    """

    def __init__(
        self,
        data_dir: Path | str,
        report: Report = lambda _: None,
        *,
        fast: bool = False,
        fresh: bool = False,
        replicas: int = 3,
        given: Given | None = None,
        limits: Limits | None = None,
        system_home: Path = account.SYSTEM_HOME,
    ) -> None:
        self._directory = DataDirectory(Path(data_dir))
        self._report = report
        self._fast = fast
        self._fresh = fresh
        self._replica_count = replicas
        self._given = given or Given()
        self._limits = limits or Limits()
        self._system_home = system_home
        self._ledger = ledger.Ledger(self._directory.path, report)
        self._supervisor = Supervisor(self._ledger, report)
        self._replication: Replication | None = None
        self._flush: Flush | None = None
        self._programs: list[str] = []
        self._disk_check = 0.0
        self._interrupted = False

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- starting ----------------------------------------------------------------------

    def start(self) -> Addresses:
        """Start what is not given; returns when the primary, Valkey and S3 answer.

        The standbys come up behind it, as long as `poll`, `wait_for_replicas` or `supervise`
        is called. On an error everything that was started is ended again.
        """
        try:
            return self._start()
        except OSError as error:
            self.stop()
            raise system_failed(error) from error
        except BaseException:
            self.stop()
            raise

    def _start(self) -> Addresses:
        directory, given = self._directory, self._given
        directory.open()
        ledger.end_leftovers(ledger.read(directory.path), self._report)
        self._ledger.open()
        if self._fresh:
            directory.erase(self._report)
        secrets = directory.secrets()
        ports = Ports(directory.path / "ports.json")
        # The quick ones first: they come up while the database is made.
        valkey = None if given.redis_url else self._valkey(secrets, ports)
        store = None if given.s3_endpoint else self._object_store(secrets, ports)
        cluster = None if given.database_url else self._cluster(secrets, ports)
        self._await(server.role for server in (valkey, store) if server)
        return Addresses(
            database_url=cluster.primary.url if cluster else given.database_url,
            replica_urls=tuple(node.url for node in cluster.replicas)
            if cluster
            else given.replica_urls,
            redis_url=valkey.url if valkey else given.redis_url,
            s3_endpoint=store.endpoint if store else given.s3_endpoint,
            s3_access_key=secrets.s3_access_key if store else given.s3_access_key,
            s3_secret_key=secrets.s3_secret_key if store else given.s3_secret_key,
        )

    def _valkey(self, secrets: Secrets, ports: Ports) -> Valkey:
        directory = self._directory
        valkey = Valkey(
            directory.path / "valkey",
            directory.logs / "valkey.log",
            ports,
            secrets.valkey,
            fast=self._fast,
        )
        self._supervisor.launch(valkey)
        return valkey

    def _object_store(self, secrets: Secrets, ports: Ports) -> ObjectStore:
        directory = self._directory
        store = ObjectStore(
            directory.path / "s3",
            directory.logs / "s3.log",
            ports,
            secrets.s3_access_key,
            secrets.s3_secret_key,
            reserve=self._limits.reserve_bytes,
        )
        self._supervisor.launch(store)
        return store

    def _cluster(self, secrets: Secrets, ports: Ports) -> Cluster:
        data = self._directory.path
        installed = installed_postgres()
        chosen = account.choose(data, installed, secrets.instance, self._system_home)
        cluster = Cluster(
            chosen,
            ports,
            self._directory.logs,
            secrets.postgres,
            replicas=self._replica_count,
            fast=self._fast,
        )
        limits = self._limits
        needed = limits.warm_bytes if cluster.exists else limits.fresh_bytes
        self._directory.require_space(chosen.home, needed)
        if not cluster.exists:
            cluster.make(self._report)
        cluster.open()
        self._directory.link("postgres", cluster.directory)
        psql = Psql(installed, cluster.passfile)
        self._supervisor.launch(cluster.primary)
        self._await([cluster.primary.role])
        cluster.prepare(psql)
        self._report(f"PostgreSQL answers on port {cluster.primary.port}")
        self._replication = Replication(cluster, psql, self._supervisor, self._report)
        self._replication.launch()
        self._flush = Flush(cluster, self._supervisor)
        return cluster

    def _await(self, roles: Iterable[str]) -> None:
        waiting = [self._supervisor[role] for role in roles]
        deadline = time.monotonic() + self._limits.start_seconds
        while late := [each for each in waiting if each.phase is not Phase.RUNNING]:
            if time.monotonic() > deadline:
                child = late[0].child
                raise server_failed(
                    f"{late[0].server.title} did not answer within "
                    f"{self._limits.start_seconds:.0f} s",
                    child.log if child else None,
                    child.log_start if child else 0,
                )
            self._supervisor.poll()
            time.sleep(_EAGER_PAUSE_SECONDS)

    def add(
        self,
        role: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        url: str | None = None,
        to_log: bool = False,
        restarts: int = 3,
        finite: bool = False,
    ) -> None:
        """Start one more child and keep it running, at most `restarts` more times in a minute;
        after that `poll` raises. A `finite` one is done when it ends with code 0, and when it
        cannot be brought to that, it is told and left.

        Its output goes where ours goes, or to logs/`role`.log. `url` is what people open: a
        second `up` on this directory and `status` tell it.
        """
        log = self._directory.logs / f"{role}.log" if to_log else None
        self.keep(Program(role, Command(argv, env, log=log), restarts, finite=finite))
        if url is not None:
            self._ledger.publish(url)

    def keep(self, server: Server) -> None:
        """Start a server of the caller's and keep it running, as `add` does a program."""
        self._programs.append(server.role)
        self._supervisor.launch(server, self._leave if server.finite else None)

    def _leave(self, _watched: Watched, failure: StackError) -> None:
        self._report(f"{failure.message}\nIt is not tried again")

    def require_space(self, needed: int, what: str) -> None:
        """Raise StackError unless `what` has its `needed` bytes where the database lies, and the
        running stack as much as it asks for at a start besides."""
        where = self._directory.path / "postgres"
        self._directory.require_space(where.resolve(), self._limits.warm_bytes + needed, what)

    # --- looking after it --------------------------------------------------------------

    def poll(self) -> None:
        """Look at every server once. Raises StackError when one cannot be kept running."""
        try:
            self._supervisor.poll()
            if self._replication is not None:
                self._replication.poll()
                if self._flush is not None and self._replication.settled:
                    self._flush.poll()
            self._watch_disk()
        except OSError as error:
            raise system_failed(error) from error

    @property
    def streaming(self) -> frozenset[str]:
        """The standbys known to stream."""
        return self._replication.streaming if self._replication else frozenset()

    def wait_for_replicas(self, seconds: float = 60.0) -> bool:
        """Poll until every standby streams; False when some do not within `seconds`."""
        deadline = time.monotonic() + seconds
        while self._replication is not None and not self._replication.settled:
            if time.monotonic() > deadline:
                return False
            self.poll()
            time.sleep(_EAGER_PAUSE_SECONDS)
        return True

    def supervise(self, until: threading.Event | None = None) -> None:
        """Poll until `until` is set or SIGINT, SIGTERM or SIGHUP comes. Then call `stop`."""
        with self._signals():
            while not self._interrupted and not (until and until.is_set()):
                self.poll()
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupt(_number: int, _frame: FrameType | None) -> None:
            self._interrupted = True

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {name: signal.signal(name, interrupt) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _watch_disk(self) -> None:
        if time.monotonic() < self._disk_check:
            return
        self._disk_check = time.monotonic() + _DISK_CHECK_SECONDS
        free = self._directory.free_bytes()
        if free < self._limits.low_bytes:
            self._report(
                f"Only {free // _MEGABYTE} MB are free in {self._directory.path}: free some "
                "space, or writes will fail"
            )

    def stop(self) -> None:
        """End what runs: first the programs, then the standbys, last the primary, while Valkey
        and S3 end beside them."""
        standbys = [f"replica{n}" for n in range(1, self._replica_count + 1)]
        self._supervisor.stop([self._programs, standbys, ["primary"]])
        self._replication = None
        if self._directory.is_locked:  # else the record is another supervisor's
            self._ledger.close()
            self._directory.close()
