"""axe-core as it comes from npm, fetched where it is missing."""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

HOME: Final = Path(__file__).parent / "axe"


def axe() -> str:
    """Its source; skips where it cannot be had."""
    found = HOME / "node_modules" / "axe-core" / "axe.min.js"
    npm = shutil.which("npm")
    with (HOME / "package.json").open() as lock:
        # Several workers may find it missing.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.is_file():
            if npm is None:
                pytest.skip("npm is not here, so axe-core is not tried")
            command = [npm, "ci", "--silent", "--ignore-scripts"]
            if subprocess.run(command, cwd=HOME, check=False).returncode:
                pytest.skip("npm could not fetch axe-core")
    return found.read_text()
