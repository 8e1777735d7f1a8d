"""Free loopback ports that stay the same from one start to the next."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from infra.local.failure import StackError
from infra.local.private_file import write_private

LOOPBACK = "127.0.0.1"

# Below the ports that Linux (32768) and macOS (49152) hand to outgoing connections, so that
# a remembered port is not lost to somebody's browser tab.
_RANGE = range(20_000, 32_000)
_TRIES = 200


class Ports:
    """The ports of one data directory, remembered in `file` by role."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _read(file)

    def take(self, role: str) -> int:
        """The remembered port of `role`, or another one when a stranger listens there."""
        port = self._known.get(role)
        return port if port is not None and is_free(port) else self.replace(role)

    def replace(self, role: str) -> int:
        """Another port for `role`, remembered from now on."""
        taken = set(self._known.values())
        for _ in range(_TRIES):
            port = random.choice(_RANGE)
            if port not in taken and is_free(port):
                self._known[role] = port
                write_private(self._file, json.dumps(self._known))
                return port
        raise StackError(
            f"No free port for {role} between {_RANGE.start} and {_RANGE.stop - 1}.",
            "Stop some of the servers that listen on this machine, then start again.",
        )


def is_free(port: int) -> bool:
    """Whether a server of ours could listen on the loopback `port` now."""
    with socket.socket() as probe:
        # As the servers do: a connection in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _read(file: Path) -> dict[str, int]:
    """What was remembered; a damaged memory costs new ports and nothing else."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(role): port
        for role, port in found.items()
        if isinstance(port, int) and 1024 <= port <= 65_535
    }
