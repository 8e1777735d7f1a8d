"""The other picture servers, as their makers publish them, and nginx as the floor."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.pictures.load import fetch
from benchmarks.pictures.place import PEERS
from infra.edge.nginx import PACKAGES
from infra.local import debian

THUMBOR: Final = "thumbor==7.8.0"
IPX: Final = "ipx@3.1.1"
_PATIENCE = 30.0
# `benchmarks.start` measures how long it takes.
_LOOK_SECONDS = 0.02


@dataclass
class Peer:
    """A server that was started for the comparison."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """End it, by SIGTERM first."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def install() -> None:
    """Fetch the peers that are missing, by their registries' own clients."""
    PEERS.mkdir(exist_ok=True)
    if not (PEERS / "thumbor" / "bin" / "thumbor").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / "thumbor")], check=True)
        pip = str(PEERS / "thumbor" / "bin" / "pip")
        subprocess.run([pip, "install", "--quiet", THUMBOR], check=True)
    if not _ipx().exists():
        home = PEERS / "ipx"
        home.mkdir(exist_ok=True)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)]
        subprocess.run([*npm, IPX], check=True)


def start_thumbor(name: str, port: int, photographs: Path, results: Path | None) -> Peer:
    """thumbor with its defaults, that reads files; with `results` it stores what it made."""
    configuration = (
        "LOADER = 'thumbor.loaders.file_loader'\n"
        f"FILE_LOADER_ROOT_PATH = {str(photographs)!r}\n"
        "STORAGE = 'thumbor.storages.no_storage'\n"
        "ALLOW_UNSAFE_URL = True\n"
    )
    if results is not None:
        configuration += (
            "RESULT_STORAGE = 'thumbor.result_storages.file_storage'\n"
            f"RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {str(results)!r}\n"
            "RESULT_STORAGE_EXPIRATION_SECONDS = 0\n"
            "RESULT_STORAGE_STORES_UNSAFE = True\n"
        )
    path = photographs.parent / f"{port}-thumbor.conf"
    path.write_text(configuration)
    program = [str(PEERS / "thumbor" / "bin" / "thumbor"), "--ip", "127.0.0.1"]
    return _start(name, port, [*program, "--port", str(port), "--conf", str(path)], "/healthcheck")


def start_ipx(name: str, port: int, photographs: Path) -> Peer:
    """IPX by its own command line, in production mode."""
    node = ["env", "NODE_ENV=production", "node", str(_ipx()), "serve", "--host", "127.0.0.1"]
    command = [*node, "--port", str(port), "--dir", str(photographs)]
    return _start(name, port, command, "/w_16/12-MP-0.jpeg")


def nginx() -> str | None:
    """The nginx of this machine, or of Debian's package, unpacked without installing it."""
    # Without it there is no floor in the table, and all else is measured.
    found = debian.program("nginx", *PACKAGES)
    return None if found is None else str(found)


def start_nginx(name: str, port: int, program: str, files: Path) -> Peer:
    """nginx with one process, that sends files."""
    home = files.parent / "nginx"
    home.mkdir(exist_ok=True)
    temporary = "".join(
        f"{each}_temp_path {home}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off;\nworker_processes 1;\npid {home}/pid;\nuser root;\n"
        f"error_log {home}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000;\n"
        f"types {{ image/jpeg jpeg; }}\n{temporary}"
        f"server {{ listen 127.0.0.1:{port}; root {files}; add_header Cache-Control "
        '"public, max-age=31536000, immutable"; } }\n'
    )
    command = [program, "-c", str(home / "nginx.conf"), "-p", str(home)]
    return _start(name, port, [*command, "-e", str(home / "error.log")], "/0.jpeg")


def _ipx() -> Path:
    return PEERS / "ipx" / "node_modules" / "ipx" / "bin" / "ipx.mjs"


def _start(name: str, port: int, command: list[str], path: str) -> Peer:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peer = Peer(name, port, process)
    wait_for(peer, path)
    return peer


def wait_for(peer: Peer, path: str) -> None:
    """Return when `path` is answered. Raises RuntimeError when that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and peer.process.poll() is None:
        try:
            fetch(peer.port, path)
        except Exception:  # not up yet, whatever it says
            time.sleep(_LOOK_SECONDS)
        else:
            return
    peer.stop()
    raise RuntimeError(f"{peer.name} did not answer on port {peer.port}; try it by hand.")
