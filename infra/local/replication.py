"""Keeps the standbys streaming, and makes one again from the primary when it no longer can."""

from __future__ import annotations

import shutil
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.local.failure import StackError, log_tail
from infra.local.postgres import Cluster, Node, Psql
from infra.local.process import Child
from infra.local.supervisor import Phase, Supervisor, Watched

_QUESTION = """
select s.slot_name, coalesce(r.state, 'disconnected'), coalesce(s.wal_status, 'unreserved'),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)::bigint, -1)
from pg_replication_slots s left join pg_stat_replication r on r.pid = s.active_pid
where s.slot_type = 'physical' order by s.slot_name
"""
_NEW_SLOT = """
select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = :'role';
select pg_create_physical_replication_slot(:'role', true);
"""
_ANSWER_SECONDS = 2.0
_EAGER_SECONDS, _EAGER_FOR_SECONDS = 0.1, 10.0
_CALM_SECONDS = 5.0
_UNSETTLED_SECONDS = 1.0
_COPY_SECONDS = 600.0
_RETRY_SECONDS = 5.0
_TRIES = 2

# What a standby's receiver writes when no amount of trying again will help.
_HOPELESS = (
    ("has already been removed", "it fell too far behind"),
    ("database system identifier differs", "it belongs to another cluster"),
    ("is not in this server's history", "its history left the primary's"),
    ("highest timeline", "its history left the primary's"),
    ("ahead of the WAL flush position", "it is ahead of the primary"),
)


@dataclass(frozen=True)
class Standing:
    """How one standby is doing, as the primary sees it."""

    role: str
    state: str  # `streaming`, another state of pg_stat_replication, or `disconnected`
    slot: str  # wal_status of its slot; `lost` when what it needs is gone
    lag_bytes: int | None  # WAL written on the primary and not yet replayed there

    @property
    def streams(self) -> bool:
        return self.state == "streaming"


def ask(psql: Psql, port: int) -> tuple[Standing, ...]:
    """The standbys of the primary on `port`; raises StackError when it does not answer."""
    answer = psql.run(port, _QUESTION, _ANSWER_SECONDS)
    return tuple(
        Standing(role, state, slot, int(lag) if lag != "-1" else None)
        for role, state, slot, lag in answer
    )


@dataclass
class Rebuild:
    """A standby on its way to a new copy of the primary."""

    node: Node
    reason: str
    due: float = 0.0
    deadline: float = 0.0
    copy: Child | None = None

    @property
    def draft(self) -> Path:
        return self.node.directory.with_name(f"{self.node.role}.partial")


class Replication:
    """The standbys of a running primary, looked after whenever `poll` is called."""

    def __init__(
        self, cluster: Cluster, psql: Psql, supervisor: Supervisor, report: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._psql = psql
        self._supervisor = supervisor
        self._report = report
        self._nodes = {node.role: node for node in cluster.replicas}
        self._streaming: frozenset[str] = frozenset()
        self._eager_until = time.monotonic() + _EAGER_FOR_SECONDS
        self._next_question = 0.0
        self._queue: deque[Rebuild] = deque()  # one at a time: each reads the whole primary
        self._rebuilds: Counter[str] = Counter()
        self._abandoned: set[str] = set()

    @property
    def streaming(self) -> frozenset[str]:
        """The standbys that streamed when the primary was last asked."""
        return self._streaming

    @property
    def settled(self) -> bool:
        """Every standby streams, or has been given up."""
        return self._nodes.keys() <= self._streaming | self._abandoned

    def launch(self) -> None:
        """Start the standbys that can be started; the others are made again."""
        for node in self._nodes.values():
            self._clear_drafts(node)
            if not node.is_whole:
                self._rebuild(node, "its directory is missing or damaged")
            elif not node.is_standby:
                self._rebuild(node, "it was promoted")
            else:
                self._supervisor.launch(node, self._gave_up)

    def poll(self) -> None:
        """Ask the primary now and then, and carry a rebuild one step on."""
        if self._supervisor["primary"].phase is not Phase.RUNNING:
            return
        if self._queue:
            self._carry_on(self._queue[0])
        if self._nodes and time.monotonic() >= self._next_question:
            self._look()
            self._next_question = time.monotonic() + self._pace()

    def _pace(self) -> float:
        if self.settled:
            return _CALM_SECONDS
        return _EAGER_SECONDS if time.monotonic() < self._eager_until else _UNSETTLED_SECONDS

    def _look(self) -> None:
        try:
            found = ask(self._psql, self._cluster.primary.port)
            if self._nodes.keys() - {standing.role for standing in found}:
                self._report("Making a standby's slot again: somebody dropped it")
                self._cluster.prepare(self._psql)
        except StackError:
            return  # a primary that is down or frozen: the supervisor's business
        known = [standing for standing in found if standing.role in self._nodes]
        self._tell(frozenset(each.role for each in known if each.streams and self._answers(each)))
        for standing in known:
            if not standing.streams:
                self._examine(self._nodes[standing.role], standing)

    def _answers(self, standing: Standing) -> bool:
        """It may stream before it has enough to be read from."""
        watched = self._supervisor.get(standing.role)
        return watched is not None and watched.phase is Phase.RUNNING

    def _tell(self, streaming: frozenset[str]) -> None:
        for role in sorted(self._streaming - streaming):
            self._report(f"PostgreSQL {role} no longer streams")
        gained = streaming - self._streaming
        self._streaming = streaming
        if gained and self.settled:
            self._report(f"PostgreSQL streams to {', '.join(sorted(streaming))}")

    def _examine(self, node: Node, standing: Standing) -> None:
        watched = self._supervisor.get(node.role)
        if watched is None or watched.phase is not Phase.RUNNING:
            return
        if standing.slot == "lost":
            self._rebuild(node, "it fell too far behind")
        elif not node.is_standby:
            self._rebuild(node, "it was promoted")
        else:
            words = watched.words()
            reason = next((reason for sign, reason in _HOPELESS if sign in words), None)
            if reason:
                self._rebuild(node, reason)

    def _gave_up(self, watched: Watched, failure: StackError) -> None:
        self._report(failure.message)
        self._rebuild(self._nodes[watched.server.role], "it does not stay up")

    # --- a new copy of the primary -----------------------------------------------------

    def _rebuild(self, node: Node, reason: str) -> None:
        self._supervisor.retire(node.role)
        self._streaming -= {node.role}
        self._queue.append(Rebuild(node, reason))

    def _carry_on(self, job: Rebuild) -> None:
        now = time.monotonic()
        if job.copy is None:
            if now >= job.due:
                self._begin(job)
            return
        code = job.copy.exit_code()
        if code == 0:
            self._supervisor.dismiss(job.copy)
            self._finish(job)
        elif code is not None or now > job.deadline:
            words = log_tail(job.copy.log, job.copy.log_start) if job.copy.log else ""
            self._supervisor.dismiss(job.copy)
            self._fail(job, words or "pg_basebackup did not end in time")

    def _begin(self, job: Rebuild) -> None:
        role = job.node.role
        if self._rebuilds[role] >= _TRIES:
            self._queue.popleft()
            self._abandoned.add(role)
            self._report(f"PostgreSQL {role} stays down: reads go to the others")
            return
        self._rebuilds[role] += 1
        self._report(f"Making PostgreSQL {role} again from the primary: {job.reason}")
        try:
            shutil.rmtree(job.draft, ignore_errors=True)
            # First the slot, so that the primary keeps what the copy will need next.
            self._psql.run(self._cluster.primary.port, _NEW_SLOT, role=role)
        except StackError as error:
            self._fail(job, error.message)
            return
        job.deadline = time.monotonic() + _COPY_SECONDS
        command = self._cluster.base_backup(job.draft, job.node)
        job.copy = self._supervisor.help(f"{role}-copy", command)

    def _fail(self, job: Rebuild, why: str) -> None:
        job.copy = None
        job.due = time.monotonic() + _RETRY_SECONDS
        self._report(f"PostgreSQL {job.node.role} could not be made again: {why}")

    def _finish(self, job: Rebuild) -> None:
        try:
            job.node.follow(job.draft)
            self._replace(job)
        except OSError as error:
            self._fail(job, str(error))
            return
        self._queue.popleft()
        self._supervisor.launch(job.node, self._gave_up)

    def _replace(self, job: Rebuild) -> None:
        node = job.node
        old = node.directory.with_name(f"{node.role}.old")
        if node.is_whole and not node.is_standby:
            # It may hold writes that the primary never saw, so it is not ours to delete.
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            aside = node.directory.rename(node.directory.with_name(f"{node.role}.promoted-{stamp}"))
            self._report(f"The promoted {node.role} is kept in {aside}")
        elif node.directory.exists():
            node.directory.rename(old)
        job.draft.rename(node.directory)
        shutil.rmtree(old, ignore_errors=True)

    def _clear_drafts(self, node: Node) -> None:
        for ending in ("partial", "old"):
            leftover = node.directory.with_name(f"{node.role}.{ending}")
            if leftover.exists():
                self._report(f"Removing an unfinished copy, {leftover.name}")
                shutil.rmtree(leftover)
