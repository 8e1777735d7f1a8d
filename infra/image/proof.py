"""`python -m infra.image.proof`: the image without an engine, built, started, and asked.

Debian's own base is made by debootstrap, once; then the Dockerfile's steps are taken, the image
migrates an embedded database, serves on a root that it cannot write to, and is asked.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.image.dockerfile import Build, Stage, StepError
from infra.local import debian
from infra.local.ports import LOOPBACK
from infra.local.stack import Stack

ROOT: Final = Path(__file__).parents[2]
SUITE: Final = "bookworm"
_BASE: Final = debian.TOOLS / f"base-{SUITE}"
_PATIENCE: Final = 60.0
# As infra/image/entrypoint.sh has it on a processor without AVX2.
_STOCK: Final = {"PYTHONPATH": "/comanda/.stock-pillow"}


def main() -> None:
    """Build, start, ask; exit code 1 where one of it fails."""
    if os.geteuid() != 0:
        sys.exit("chroot and mounts are root's: sudo make image-proof")
    home = Path(tempfile.mkdtemp(prefix="comanda-image-"))
    # The database's own account has to get through.
    home.chmod(0o755)
    try:
        image = _built(home)
        with Stack(home / "data", fast=True, replicas=0) as stack:
            given = {
                **stack.start().environment(),
                "COMANDA_TOKEN_SECRET": secrets.token_hex(32),
                "COMANDA_ACCESS_LOG": "0",
            }
            _asked(image, given)
    except StepError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _built(home: Path) -> Stage:
    began = time.monotonic()
    _bootstrap()
    say(f"{SUITE}: {_megabytes(_BASE)} MB, {time.monotonic() - began:.0f} s")
    taken: list[Stage] = []
    for step, stage in Build(ROOT, _BASE, home).run():
        say(f"{time.monotonic() - began:5.0f} s  {step}")
        taken.append(stage)
    image = taken[-1]
    ours = image.tree / "comanda"
    say(
        f"The image: {_megabytes(image.tree)} MB, of that /comanda {_megabytes(ours)} MB,"
        f" its packages {_megabytes(ours / '.venv')} MB"
    )
    bill = json.loads((ours / "sbom.json").read_text("utf-8"))
    say(f"sbom.json: {len(bill['components'])} components")
    return image


def _bootstrap() -> None:
    if _BASE.is_dir():
        return
    home = debian.unpacked("debootstrap")
    if home is None:
        raise StepError("there is no debootstrap, and apt-get does not get it")
    draft = _BASE.with_name("base.draft")
    shutil.rmtree(draft, ignore_errors=True)
    # What it mounts is gone with it.
    alone = ["unshare", "--mount", str(home / "usr/sbin/debootstrap")]
    command = [*alone, "--variant=minbase", SUITE, str(draft)]
    scripts = {"DEBOOTSTRAP_DIR": str(home / "usr/share/debootstrap")}
    done = subprocess.run(command, env=os.environ | scripts, capture_output=True, text=True)
    if done.returncode != 0:
        raise StepError(f"debootstrap: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    draft.rename(_BASE)


def _asked(image: Stage, given: Mapping[str, str]) -> None:
    entry = image.commands["ENTRYPOINT"]
    say(_out(image, [*entry, "doctor"], given))
    python = ".venv/bin/python"
    say("Without AVX2: " + _out(image, [python, "-m", "bff", "doctor"], _STOCK).splitlines()[1])
    _out(image, [*entry, "migrate"], given)
    say("It has migrated the database")
    _require_read_only(image, python)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    served = [*entry, "serve", "--host", LOOPBACK, "--port", str(port)]
    began = time.monotonic()
    process = subprocess.Popen(image.command(served, given, serves=True))
    try:
        for path in ("/health", "/ready"):
            answer = _answer(f"http://{LOOPBACK}:{port}{path}")
            say(f"{time.monotonic() - began:5.1f} s  {path}: {answer}")
        about = Path(f"/proc/{process.pid}/status").read_text("utf-8").splitlines()
        user = next(line.split()[1] for line in about if line.startswith("Uid:"))
        memory = next(int(line.split()[1]) for line in about if line.startswith("VmRSS:"))
        say(f"It runs as {user} in {memory // 1024} MB")
    finally:
        process.terminate()
        code = process.wait(60)
    say(f"It ended with code {code}")


def _require_read_only(image: Stage, python: str) -> None:
    writes = image.command([python, "-c", "open('bff/new', 'w')"], {}, serves=True)
    told = subprocess.run(writes, capture_output=True, text=True, check=False).stderr
    if "Read-only file system" not in told:
        raise StepError(f"its root can be written to: {told}")


def _out(image: Stage, argv: list[str], given: Mapping[str, str]) -> str:
    done = subprocess.run(
        image.command(argv, given, serves=True), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StepError(f"{argv}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()


def _answer(url: str) -> str:
    """What is there, as soon as it is answered with a success. Raises StepError."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.1)
    raise StepError(f"{url} is not answered")


def _megabytes(tree: Path) -> int:
    told = subprocess.run(
        ["/usr/bin/du", "-sxm", str(tree)], capture_output=True, text=True, check=True
    ).stdout
    return int(told.split()[0])


def say(what: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
