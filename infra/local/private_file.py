"""Small files written whole or not at all, and readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Replace `path` (mode 0600) in one step; `owner` is (uid, gid) when we are root.

    Raises OSError. A reader sees the old text or the new one, after a power cut too.
    """
    try:
        _write(path, text, owner)
    except OSError as error:
        error.filename = error.filename or str(path)  # write(2) does not know it
        raise


def _write(path: Path, text: str, owner: tuple[int, int] | None) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if owner is not None and os.geteuid() == 0:
            os.fchown(descriptor, *owner)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    draft.replace(path)
