"""The other side: NestJS as its documentation has it, Node by hand, and nginx as the floor."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.pictures.peers import Peer, wait_for
from benchmarks.pictures.place import PEERS

SOURCE: Final = Path(__file__).parent / "nest"
_HOME: Final = PEERS / "nest"
_NODE: Final = shutil.which("node") or "node"
_NPM: Final = shutil.which("npm") or "npm"


def install() -> None:
    """Fetch what the peers are made of, by npm, and compile them, unless that was done."""
    lock = (SOURCE / "package-lock.json").read_text("utf-8")
    _HOME.mkdir(parents=True, exist_ok=True)
    if _read(_HOME / "installed.json") != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, _HOME)
        # No script of a package is run: none of these needs it.
        npm = [_NPM, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(npm, cwd=_HOME, check=True)
        (_HOME / "installed.json").write_text(lock, "utf-8")
    shutil.copy(SOURCE / "tsconfig.json", _HOME)
    shutil.copytree(SOURCE / "src", _HOME / "src", dirs_exist_ok=True)
    compiler = str(_HOME / "node_modules" / "typescript" / "bin" / "tsc")
    subprocess.run([_NODE, compiler], cwd=_HOME, check=True)


def start_node(name: str, program: str, port: int, given: Mapping[str, str]) -> Peer:
    """One of the peers of Node, in production mode, with the addresses of PEER_*."""
    environment = {**os.environ, **given, "NODE_ENV": "production", "PORT": str(port)}
    command = [_NODE, str(_HOME / "dist" / f"{program}.js")]
    peer = Peer(name, port, subprocess.Popen(command, env=environment))
    wait_for(peer, "/health")
    return peer


def start_floor(name: str, port: int, given: Mapping[str, str]) -> Peer:
    """What is left of a read where there is nothing but uvicorn and the driver."""
    command = [sys.executable, "-m", "benchmarks.api.floor", "--port", str(port)]
    peer = Peer(name, port, subprocess.Popen(command, env={**os.environ, **given}))
    wait_for(peer, "/health")
    return peer


def start_nginx(name: str, port: int, program: str, home: Path, body: bytes) -> Peer:
    """nginx with one process, that sends a compressed file of JSON."""
    files = home / "files"
    files.mkdir(parents=True)
    (files / "products").write_bytes(body)
    temporary = "".join(
        f"{each}_temp_path {home}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(
        f"daemon off;\nworker_processes 1;\npid {home}/pid;\nuser root;\n"
        f"error_log {home}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000;\n"
        f"default_type application/json;\n{temporary}"
        f"server {{ listen 127.0.0.1:{port}; root {files}; add_header Content-Encoding gzip; "
        'add_header Vary Accept-Encoding; add_header Cache-Control "public, max-age=30"; } }\n'
    )
    command = [program, "-c", str(home / "nginx.conf"), "-p", str(home)]
    process = subprocess.Popen([*command, "-e", str(home / "error.log")], stderr=subprocess.DEVNULL)
    peer = Peer(name, port, process)
    wait_for(peer, "/products")
    return peer


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def versions() -> str:
    """Of what the peers are made of."""
    wanted = msgspec.json.decode((SOURCE / "package.json").read_bytes())["dependencies"]
    names = {"NestJS": "@nestjs/core", "TypeORM": "typeorm", "Fastify": "fastify", "pg": "pg"}
    node = subprocess.run([_NODE, "--version"], capture_output=True, text=True, check=True)
    told = [f"{name} {wanted[package]}" for name, package in names.items()]
    return ", ".join([*told, f"Node {node.stdout.strip()}"])
