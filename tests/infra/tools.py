"""What judges the infrastructure and is too large for everybody: fetched once, into `.tools`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.debian import TOOLS

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "infra.lock"
# A registry that does not answer once is there a moment later.
_TRIES = 2


def python_tool(name: str) -> Path:
    """A program out of requirements/infra.lock."""
    venv, noted = TOOLS / "infra", TOOLS / "infra" / "installed.lock"
    if not _is_as_locked(noted, LOCK):
        _fetch([sys.executable, "-m", "venv", str(venv)], TOOLS)
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--require-hashes"]
        _fetch([*pip, "--requirement", str(LOCK)], TOOLS)
        shutil.copy(LOCK, noted)
    return venv / "bin" / name


def npm_tools(name: str, project: Path) -> Path:
    """The directory in which what a package-lock.json names is installed."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    home = TOOLS / name
    noted = home / "installed.json"
    if not _is_as_locked(noted, project / "package-lock.json"):
        shutil.copytree(project, home, dirs_exist_ok=True)
        _fetch([npm, "ci", "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts"], home)
        shutil.copy(project / "package-lock.json", noted)
    return home


def _is_as_locked(noted: Path, lock: Path) -> bool:
    return noted.exists() and noted.read_bytes() == lock.read_bytes()


def _fetch(command: list[str], directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for _ in range(_TRIES):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            return
    pytest.skip(f"{Path(command[0]).name} could not fetch it: {done.stderr.strip()[-200:]}")
