"""Node's socket.io with its Redis adapter, as npm has it, behind the same commands as ours."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

SOCKET_IO: Final = "socket.io@4.8.4"
PACKAGES: Final = (SOCKET_IO, "@socket.io/redis-adapter@8.3.0", "redis@5.9.0")
_HOME: Final = Path(__file__).parents[1] / ".peers" / "socket.io"
_SERVER: Final = Path(__file__).parent / "peer.js"


def install() -> None:
    """Fetch it if it is missing."""
    if not (_HOME / "node_modules" / "socket.io").exists():
        _HOME.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(_HOME)]
        subprocess.run([*npm, *PACKAGES], check=True)
    # A module is looked for beside the file that asks for it.
    shutil.copy(_SERVER, _HOME / _SERVER.name)


def node() -> str:
    """What runs it."""
    told = subprocess.run([_node(), "--version"], capture_output=True, check=True)
    return f"Node {told.stdout.decode().strip()}"


def command() -> list[str]:
    """What starts it; it is told where by its environment."""
    return [_node(), str(_HOME / _SERVER.name)]


def _node() -> str:
    return shutil.which("node") or "node"
