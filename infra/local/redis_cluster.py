"""The cluster of infra/redis on loopback: three masters, each with a replica, to use and to break.

`python -m infra.local.redis_cluster` runs it until Ctrl-C.
"""

from __future__ import annotations

import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from infra.local.failure import StackError, server_failed
from infra.local.ledger import Ledger
from infra.local.ports import LOOPBACK, Ports
from infra.local.process import Child
from infra.local.supervisor import Phase, Supervisor
from infra.local.valkey import Valkey

_CONFIGURATION = Path(__file__).parent.parent / "redis" / "redis.conf"
_MASTERS = 3
_SLOTS = 16_384
_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.01
# Milliseconds: between processes of one machine there is little to mistake for a death.
_NODE_TIMEOUT = 2_000


class Node(Valkey):
    """One of the six: what infra/redis says, at ports of its own."""

    def __init__(self, number: int, directory: Path, ports: Ports, password: str) -> None:
        self.role = f"redis-{number}"
        self.title = f"Redis node {number}"
        super().__init__(
            directory / self.role, directory / f"{self.role}.log", ports, password, fast=True
        )
        self._ports = ports
        self.bus_port = ports.take(self._bus)

    def move(self) -> None:
        super().move()
        self.bus_port = self._ports.replace(self._bus)

    @property
    def _bus(self) -> str:
        return f"{self.role}-bus"

    def _settings(self) -> str:
        own = (
            f'include "{_CONFIGURATION}"',
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"cluster-port {self.bus_port}",
            f"cluster-node-timeout {_NODE_TIMEOUT}",
            f"requirepass {self._password}",
            f"masterauth {self._password}",
            f'dir "{self._directory}"',
            'logfile ""',
            "",
        )
        return "\n".join(own)


class RedisCluster:
    """Six nodes, which `start` makes a cluster. Nobody starts again what a test kills.

    Use it from one thread, which lives as long as the cluster. Methods raise StackError.
    """

    def __init__(self, directory: Path, report: Callable[[str], None] = lambda _: None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        ports = Ports(directory / "ports.json")
        self.password = secrets.token_hex(24)
        self._ledger = Ledger(directory, report)
        self._supervisor = Supervisor(self._ledger, report)
        self._nodes = [
            Node(number, directory, ports, self.password) for number in range(1, 2 * _MASTERS + 1)
        ]

    @property
    def ports(self) -> list[int]:
        """Of all nodes; the first three begin as masters."""
        return [node.port for node in self._nodes]

    @property
    def url(self) -> str:
        """For applications: half of the nodes, from which they find the others."""
        seeds = ",".join(f"{LOOPBACK}:{port}" for port in self.ports[::2])
        return f"redis://:{self.password}@{seeds}/0"

    def start(self) -> None:
        """Returns when every slot has its master, and every master its replica."""
        try:
            self._ledger.open()
            for node in self._nodes:
                self._supervisor.launch(node)
            self._until(self._answer)
            self._form()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all nodes, in whatever state they are."""
        self._supervisor.stop([[node.role for node in self._nodes]])
        self._ledger.close()

    def kill(self, port: int) -> None:
        """End a node at once, as a power cut would (SIGKILL)."""
        child = self._child(port)
        child.identity.send(signal.SIGKILL)
        child.wait(_START_SECONDS)
        # Or the next poll would start it again.
        self._supervisor.retire(child.role)

    def freeze(self, port: int) -> None:
        """Let a node hang: it keeps its connections, and answers nothing (SIGSTOP)."""
        self._child(port).identity.send(signal.SIGSTOP)

    def thaw(self, port: int) -> None:
        """Let it go on."""
        self._child(port).identity.send(signal.SIGCONT)

    def restart(self, port: int) -> None:
        """Start a node that was killed; it remembers the cluster, and no key."""
        self._supervisor.launch(self._node(port))
        self._until(self._answer)

    def hand_over(self, port: int) -> None:
        """Make a master's replica the master in its place, without a loss."""
        replica = self.ask(port, "ROLE")[2][0]
        self.ask(int(replica[1]), "CLUSTER", "FAILOVER")

    def bring_back(self) -> None:
        """Start what was killed and thaw what was frozen, until all is as after `start`, but for
        who is master of whom."""
        for node in self._nodes:
            if self._supervisor.get(node.role) is None:
                self._supervisor.launch(node)
            else:
                self.thaw(node.port)
        self._until(self._is_whole)

    def mend(self) -> None:
        """Bring back what is missing, and empty it."""
        self.bring_back()
        for port in self.ports:
            if self._master(port):
                self.ask(port, "FLUSHALL")

    def ask(self, port: int, *command: str | int) -> Any:
        """What one node answers, of itself: it is not asked as a part of the cluster."""
        with Redis(
            host=LOOPBACK, port=port, password=self.password, decode_responses=True
        ) as client:
            return client.execute_command(*command)

    def supervise(self) -> None:
        """Keep all running until SIGINT or SIGTERM comes."""
        with _interrupted() as is_interrupted:
            while not is_interrupted():
                self._supervisor.poll()
                time.sleep(10 * _PAUSE_SECONDS)

    def _form(self) -> None:
        masters = self._nodes[:_MASTERS]
        bounds = [_SLOTS * number // _MASTERS for number in range(_MASTERS + 1)]
        for number, node in enumerate(self._nodes):
            # Or all have the same, and have to settle who is right.
            self.ask(node.port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, first, end in zip(masters, bounds, bounds[1:], strict=False):
            self.ask(node.port, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for number, node in enumerate(self._nodes):
            for other in self._nodes[number + 1 :]:
                meeting = ("CLUSTER", "MEET", LOOPBACK, other.port, other.bus_port)
                self.ask(node.port, *meeting)
        ids = [self.ask(node.port, "CLUSTER", "MYID") for node in masters]
        for number, node in enumerate(self._nodes[_MASTERS:]):
            # The next one's, as on three hosts.
            master = ids[(number + 1) % _MASTERS]
            self._until(lambda node=node, master=master: self._knows(node.port, master))  # type: ignore[misc]
            self.ask(node.port, "CLUSTER", "REPLICATE", master)
        self._until(self._is_whole)

    def _knows(self, port: int, node_id: str) -> bool:
        return node_id in self.ask(port, "CLUSTER", "NODES")

    def _answer(self) -> bool:
        watched = filter(None, (self._supervisor.get(node.role) for node in self._nodes))
        return all(each.phase is Phase.RUNNING for each in watched)

    def _is_whole(self) -> bool:
        followed = 0
        for port in self.ports:
            known = self.ask(port, "CLUSTER INFO")
            if known["cluster_state"] != "ok" or known["cluster_slots_ok"] != str(_SLOTS):
                return False
            if known["cluster_known_nodes"] != str(len(self._nodes)):
                return False
            replication = self.ask(port, "INFO", "replication")
            followed += replication.get("master_link_status") == "up"
        return followed == len(self._nodes) - _MASTERS

    def _master(self, port: int) -> bool:
        return bool(self.ask(port, "ROLE")[0] == "master")

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._holds(condition):
            if time.monotonic() > deadline:
                raise server_failed("The Redis cluster was not formed in time", None, 0)
            time.sleep(_PAUSE_SECONDS)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        self._supervisor.poll()
        try:
            return condition()
        except (RedisError, OSError):
            return False

    def _node(self, port: int) -> Node:
        return next(node for node in self._nodes if node.port == port)

    def _child(self, port: int) -> Child:
        watched = self._supervisor.get(self._node(port).role)
        if watched is None or watched.child is None:
            raise RuntimeError("it does not run")
        return watched.child


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Whether somebody wants us to end."""
    seen: list[int] = []
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.signal(name, lambda number, _: seen.append(number)) for name in names}
    try:
        yield lambda: bool(seen)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def main() -> None:
    """Run the cluster in a directory of its own until Ctrl-C."""

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="comanda-redis-") as directory:
        cluster = RedisCluster(Path(directory), say)
        try:
            cluster.start()
            say(f"COMANDA_REDIS_CLUSTER=true\nCOMANDA_REDIS_URL={cluster.url}")
            cluster.supervise()
        except StackError as error:
            sys.exit(f"{error.message}\n{error.advice}")
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
