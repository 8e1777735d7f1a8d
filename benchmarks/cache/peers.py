"""The other caches, as their makers publish them, out of the project's environment."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

CASHEWS: Final = "cashews==7.6.0"
AIOCACHE: Final = "aiocache==0.12.3"
# They need nothing but redis-py, and share ours: the same version, in the same process.
_HOME: Final = Path(__file__).parents[1] / ".peers" / "cache"


def install() -> None:
    """Fetch them if they are missing."""
    if not (_HOME / "aiocache").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--target", str(_HOME), CASHEWS, AIOCACHE], check=True)


def cashews() -> Any:
    """The module."""
    return _module("cashews")


def aiocache() -> Any:
    """The module."""
    return _module("aiocache")


def _module(name: str) -> Any:
    # Behind all else: what both have is ours.
    if str(_HOME) not in sys.path:
        sys.path.append(str(_HOME))
    return importlib.import_module(name)
