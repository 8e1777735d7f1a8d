"""WebP (RFC 9649): its chunks."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imaging.containers import exif
from imaging.picture import Container, Header, Limits, Parsed, broken

_CHUNK = struct.Struct("<4sI")
_START = 12
_MOST_CHUNKS = 20_000
_MOST_EXIF_BYTES = 65_536
_FLAG_ALPHA = 0x10
_KEY_FRAME_START = b"\x9d\x01\x2a"
_LOSSLESS_SIGNATURE = 0x2F


def matches(head: bytes) -> bool:
    """Whether a file that begins so is WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def read(body: bytes, limits: Limits) -> Parsed:
    """Take a WebP apart. Raises PictureError."""
    facts = _Facts(body, limits)
    for kind, start, end in _chunks(body):
        facts.take(kind, start, end)
        if facts.frames > limits.frames:
            break
    if facts.size is None:
        raise broken("the WebP has no picture in it")
    header = Header(
        container=Container.WEBP,
        width=facts.size[0],
        height=facts.size[1],
        orientation=facts.orientation,
        frames=max(1, facts.frames),
        plays=facts.plays,
        alpha=facts.alpha,
        profile=facts.profile is not None,
    )
    return Parsed(header, (body,), facts.profile)


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type of each chunk, and where its content starts and ends."""
    start = _START
    for _ in range(_MOST_CHUNKS):
        if start + _CHUNK.size > len(body):
            return
        kind, length = _CHUNK.unpack_from(body, start)
        start += _CHUNK.size
        yield kind, start, min(start + length, len(body))
        start += length + (length & 1)
    raise broken("it is cut into too many pieces")


@dataclass
class _Facts:
    """What the chunks have told so far."""

    body: bytes
    limits: Limits
    size: tuple[int, int] | None = None
    alpha: bool = False
    frames: int = 0
    plays: int = 1
    orientation: int = 1
    profile: bytes | None = None

    def take(self, kind: bytes, start: int, end: int) -> None:
        match kind:
            case b"VP8X":
                # The canvas; what is drawn on it has sizes of its own.
                self.alpha = bool(self._number(start, 1) & _FLAG_ALPHA)
                self.size = 1 + self._number(start + 4, 3), 1 + self._number(start + 7, 3)
            case b"VP8 " if self.size is None:
                self._take_lossy(start)
            case b"VP8L" if self.size is None:
                self._take_lossless(start)
            case b"ANIM":
                self.plays = self._number(start + 4, 2)
            case b"ANMF":
                self.frames += 1
            case b"ICCP" if end - start <= self.limits.profile_bytes:
                self.profile = self.body[start:end]
            case b"EXIF":
                self.orientation = exif.orientation(self.body[start:end][:_MOST_EXIF_BYTES])

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self.body[at : at + size], "little")

    def _take_lossy(self, start: int) -> None:
        """From the frame header of VP8 (RFC 6386, 9.1)."""
        if self.body[start + 3 : start + 6] != _KEY_FRAME_START:
            raise broken("the WebP has no key frame")
        self.size = self._number(start + 6, 2) & 0x3FFF, self._number(start + 8, 2) & 0x3FFF

    def _take_lossless(self, start: int) -> None:
        if self._number(start, 1) != _LOSSLESS_SIGNATURE:
            raise broken("the WebP has no lossless header")
        bits = self._number(start + 1, 4)
        self.size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        self.alpha = bool(bits >> 28 & 1)
