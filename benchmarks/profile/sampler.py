"""py-spy, which looks at a process's stacks from outside, into C as well as Python."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.pictures.place import PEERS

PYSPY: Final = "py-spy==0.4.3"
_HOME: Final = PEERS / "py-spy"
# Looks a second, each of which holds up whom it looks at for a millisecond; not a divisor of what
# timers in a server are set to.
_RATE: Final = 197


def install() -> None:
    """Fetch it by pip, unless that was done."""
    PEERS.mkdir(exist_ok=True)
    if not (_HOME / "bin" / "py-spy").exists():
        subprocess.run([sys.executable, "-m", "venv", str(_HOME)], check=True)
        pip = str(_HOME / "bin" / "pip")
        subprocess.run([pip, "install", "--quiet", PYSPY], check=True)


def sampled(process: int, seconds: int, work: Callable[[], object]) -> str:
    """The stacks of `process` and of all below it, each with how often it was seen at work, while
    `work` is done over and over. Raises CalledProcessError where we may not look (ptrace(2))."""
    with tempfile.TemporaryDirectory(prefix="comanda-profile-") as directory:
        found = Path(directory) / "stacks"
        command = [str(_HOME / "bin" / "py-spy"), "record", "--native", "--subprocesses"]
        command += ["--format", "raw", "--rate", str(_RATE), "--duration", str(seconds)]
        with subprocess.Popen(
            [*command, "--output", str(found), "--pid", str(process)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as looking:
            while looking.poll() is None:
                work()
        if looking.returncode:
            raise subprocess.CalledProcessError(looking.returncode, command)
        return found.read_text("utf-8", "replace")
