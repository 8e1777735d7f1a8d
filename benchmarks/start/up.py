"""`comanda up`, from the command to what a person sees."""

import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bff.launch import PICTURE
from infra.local import control
from tests.serving import free_port

_PATIENCE: Final = 120.0
# For the pictures of the whole menu, on a machine that is busy.
_LONG: Final = 600.0
_LOOK_SECONDS: Final = 0.02
_REPLICAS: Final = 3
_FIRST: Final = 1
"""The id of the first dish, where there was none before."""


@dataclass(frozen=True)
class Came:
    """Seconds from the command until there was the first dish's picture, and a page of dishes."""

    picture: float
    page: float


def measured() -> tuple[Came, Came]:
    """In an empty directory; and in the same one once more, when all was drawn and copied."""
    with tempfile.TemporaryDirectory(prefix="comanda-up-") as directory:
        # PostgreSQL has an account of its own where we are root.
        Path(directory).chmod(0o755)
        data = Path(directory) / "data"
        return _come(data), _come(data)


def _come(data: Path) -> Came:
    port = free_port()
    began = time.monotonic()
    with _running(data, port) as process:
        url = f"http://127.0.0.1:{port}"
        # Not the page: one without a dish would be kept.
        _wait(process, url + PICTURE.format(_FIRST), began)
        picture = time.monotonic() - began
        _wait(process, f"{url}/api/products?limit=20", began)
        page = time.monotonic() - began
        _settle(data)
        return Came(picture, page)


def _wait(process: "subprocess.Popen[bytes]", url: str, began: float) -> None:
    """Return when it is answered. Raises RuntimeError."""
    while time.monotonic() < began + _PATIENCE and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=_PATIENCE):  # noqa: S310
                return
        except OSError:  # not up yet, or not drawn yet
            time.sleep(_LOOK_SECONDS)
    raise RuntimeError(f"{url} was not answered; try `comanda up` by hand.")


def _settle(data: Path) -> None:
    """Return when all is drawn, and copied. Raises RuntimeError."""
    until = time.monotonic() + _LONG
    while time.monotonic() < until:
        found = control.status(data)
        draws = any(each.role.startswith("drawing") for each in found.processes)
        if not draws and len(found.replication) == _REPLICAS:
            return
        time.sleep(_LOOK_SECONDS * 10)
    raise RuntimeError(f"{_LONG:.0f} s were not enough for the pictures and replicas of the demo.")


@contextmanager
def _running(data: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "bff", "up", "--port", str(port), "--data", str(data)]
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=null, stderr=null)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
