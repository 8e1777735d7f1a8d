"""Debian's programs where they are not installed: unpacked beside the code, without being root."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).parents[2] / ".tools"
"""Where what was fetched is kept, out of the repository."""

_SECONDS: Final = 120.0


def program(name: str, *packages: str) -> Path | None:
    """`name` as it is installed here, or else out of Debian's `packages`; None where neither is."""
    if (installed := shutil.which(name)) is not None:
        return Path(installed)
    home = unpacked(*packages)
    return None if home is None else found(home, name)


def unpacked(*packages: str) -> Path | None:
    """What the packages hold, under the directory that is returned; it is fetched once.

    None where `apt-get` is missing, or does not get them.
    """
    home = TOOLS / packages[0]
    if home.is_dir():
        return home
    downloader, unpacker = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if downloader is None or unpacker is None:
        return None
    try:
        TOOLS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TOOLS) as directory:
            draft = Path(directory) / "draft"
            draft.mkdir(mode=0o755)
            _run([downloader, "download", "-qq", *packages], Path(directory))
            for package in Path(directory).glob("*.deb"):
                _run([unpacker, "-x", str(package), str(draft)], Path(directory))
            # Whole, or not at all; another process may have been quicker.
            draft.rename(home)
    except (OSError, subprocess.SubprocessError):
        return home if home.is_dir() else None
    return home


def found(home: Path, name: str) -> Path | None:
    """The program of that name in what was unpacked."""
    places = (home / "usr" / part / name for part in ("sbin", "bin"))
    return next((each for each in places if each.exists()), None)


def _run(command: list[str], directory: Path) -> None:
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=_SECONDS)
