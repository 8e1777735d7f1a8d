"""The newest variants in memory, so that a crowd costs S3 nothing and S3's outage costs little."""

from collections import OrderedDict
from typing import Final

# What an entry takes beside its body.
_OVERHEAD: Final = 512


class Memory:
    """Bodies by key, the least recently used dropped, within a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._bytes

    def get(self, key: str) -> bytes | None:
        """The body kept under a key."""
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def keep(self, key: str, body: bytes) -> None:
        """Keep a body, unless it alone would take an eighth of the room."""
        if (len(body) + _OVERHEAD) * 8 > self._most_bytes:
            return
        self._drop(key)
        self._bodies[key] = body
        self._bytes += len(body) + _OVERHEAD
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._bodies)))

    def forget(self, prefix: str) -> None:
        """Drop all whose key begins with `prefix`."""
        for key in [each for each in self._bodies if each.startswith(prefix)]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        body = self._bodies.pop(key, None)
        if body is not None:
            self._bytes -= len(body) + _OVERHEAD
