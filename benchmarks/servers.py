"""The embedded servers under what is measured: where they live, and what they take."""

from pathlib import Path

from benchmarks.processor import children_named, cpu_seconds


class Beside:
    """The CPU of servers that are child processes of ours, by part of their command lines."""

    def __init__(self, *parts: str) -> None:
        self._roots = [process for part in parts for process in children_named(part)]

    def seconds(self) -> float:
        return sum(map(cpu_seconds, self._roots))


def data_directory(parent: Path) -> Path:
    """A directory that the database's own account can reach, too."""
    parent.chmod(0o755)
    data = parent / "data"
    data.mkdir()
    return data
