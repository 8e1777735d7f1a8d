"""The least that a broadcast costs on this machine: a loop over send(2), in C."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_suffix(".c")


def built(directory: Path) -> list[str] | None:
    """What starts it, compiled into `directory`; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = directory / "floor"
    subprocess.run([compiler, "-O2", "-o", str(program), str(_SOURCE)], check=True)
    return [str(program)]
