"""JPEG (ITU-T T.81): its segments, and no more of them than the picture needs."""

import re
from collections.abc import Iterator

from imaging.containers import exif
from imaging.picture import Container, Header, Kind, Limits, Parsed, PictureError, broken

MAGIC = b"\xff\xd8\xff"

# Within a scan, FF00 stands for the byte FF and FFD0 to FFD7 are restarts; between segments,
# cameras leave fill bytes. One FF only: `\xff+` would take quadratic time on a run of them.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_TABLES = (0xC4, 0xDB, 0xDD)
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_COMMENT = 0xFE
_DECODED_FRAMES = (0xC0, 0xC1, 0xC2)
_PROGRESSIVE = 0xC2
# Lossless, hierarchical and arithmetic coding, which no camera writes and few decoders read.
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_LENGTHLESS = {_TEM, _SOI, *range(0x02, 0xC0)}

_MOST_SEGMENTS = 10_000
# Eight Huffman and four quantisation tables have 3 KB; PIL reads the latter in Python.
_MOST_TABLE_BYTES = 65_536


def read(body: bytes, limits: Limits) -> Parsed:
    """Take a JPEG apart. Raises PictureError."""
    walk = _Walk(body, limits)
    for marker, start, end in _segments(body):
        if walk.take(marker, start, end):
            break
    return walk.result()


def _segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker, and where its segment starts and ends; the data of a scan is stepped over."""
    position = len(MAGIC) - 1
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(body, position)
        if found is None:
            return
        start, marker = found.start(), body[found.start() + 1]
        if marker in _LENGTHLESS:
            position = start + 2
            continue
        if marker == _EOI:
            yield marker, start, start + 2
            return
        length = int.from_bytes(body[start + 2 : start + 4])
        position = start + 2 + length
        if length < 2 or position > len(body):
            raise broken("a segment of the JPEG goes beyond its end")
        yield marker, start, position
    raise broken("it has too many segments")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (2 + len(content)).to_bytes(2) + content


class _Walk:
    """What has been seen so far of the segments, in their order."""

    def __init__(self, body: bytes, limits: Limits) -> None:
        self._body = body
        self._view = memoryview(body)
        self._limits = limits
        self._essence: list[bytes | memoryview] = [MAGIC[:2]]
        self._frame = b""
        self._progressive = False
        self._orientation: int | None = None
        self._profile: dict[int, bytes] = {}
        self._profile_parts = 0
        self._table_bytes = 0
        self._scans = 0
        # Once a scan has begun, everything from here on is kept unless it is stepped over.
        self._kept_from = 0

    def take(self, marker: int, start: int, end: int) -> bool:
        """One segment more; True when nothing behind it matters."""
        if marker == _SOS:
            return self._begin_scan(start, end)
        if marker == _EOI:
            self._essence.append(self._view[self._kept_from : end] if self._scans else b"")
            self._kept_from = len(self._view)
            return True
        if marker in _DECODED_FRAMES or marker in _OTHER_FRAMES:
            self._begin_frame(marker, start, end)
        elif self._scans:
            if marker == _COMMENT or _APP0 <= marker <= _APP15:
                self._essence.append(self._view[self._kept_from : start])
                self._kept_from = end
        else:
            self._take_head(marker, start, end)
        return False

    def _take_head(self, marker: int, start: int, end: int) -> None:
        content = self._body[start + 4 : end]
        if marker in _TABLES:
            self._table_bytes += len(content)
            if self._table_bytes > _MOST_TABLE_BYTES:
                raise broken("its tables are too long")
            self._essence.append(self._view[start:end])
        elif marker == _APP0 and content.startswith(b"JFIF\0"):
            # It says that this is YCbCr; the thumbnail behind its 14 bytes is not needed.
            self._essence.append(_segment(marker, content[:14].ljust(14, b"\0")))
        elif marker == _APP14 and content.startswith(b"Adobe"):
            # It says whether this is RGB, YCbCr, CMYK or YCCK.
            self._essence.append(_segment(marker, content[:12].ljust(12, b"\0")))
        elif marker == _APP1 and content.startswith(b"Exif\0\0") and self._orientation is None:
            self._orientation = exif.orientation(content)
        elif marker == _APP2 and content.startswith(b"ICC_PROFILE\0") and len(content) > 14:
            # ICC.1, B.4: the number of this part, how many there are, and the part.
            self._profile.setdefault(content[12], content[14:])
            self._profile_parts = content[13]

    def _begin_frame(self, marker: int, start: int, end: int) -> None:
        # PIL looks at the last frame header and libjpeg at the first: a file with two of
        # different sizes has made decoders write beyond their buffers.
        if self._frame:
            raise broken("it has two frame headers")
        if marker in _OTHER_FRAMES:
            raise PictureError(
                Kind.UNSUPPORTED_FORMAT,
                "This kind of JPEG (lossless, hierarchical or arithmetic) is not supported; "
                "save it as baseline or progressive.",
            )
        frame = bytes(self._view[start + 4 : end])
        if len(frame) < 6 or len(frame) != 6 + 3 * frame[5]:
            raise broken("its frame header is incomplete")
        if frame[0] != 8 or frame[5] not in (1, 3, 4):
            raise PictureError(
                Kind.UNSUPPORTED_FORMAT,
                f"A JPEG of {frame[5]} components of {frame[0]} bits is not supported; "
                "save it with 8 bits in grey, RGB or CMYK.",
            )
        if any(not (1 <= f >> 4 <= 4 and 1 <= f & 15 <= 4) for f in frame[7::3]):
            raise broken("its sampling factors are impossible")
        self._frame = frame
        self._progressive = marker == _PROGRESSIVE
        self._essence.append(self._view[start:end])

    def _begin_scan(self, start: int, end: int) -> bool:
        if not self._frame:
            raise broken("a scan precedes the frame header")
        if not self._scans:
            self._kept_from = start
        self._scans += 1
        most = min(self._limits.scans, self._limits.scan_pixels // max(1, self._pixels))
        if self._scans > max(1, most):
            raise PictureError(
                Kind.TOO_MANY_PIXELS,
                f"The JPEG has more than the {most} scans that are the most for its size; "
                "save it as baseline.",
            )
        # The decoder goes over this one just once, and never looks at what is behind it.
        components = self._view[start + 4] if end > start + 4 else 0
        return not self._progressive and components == self._frame[5]

    @property
    def _width(self) -> int:
        return int.from_bytes(self._frame[3:5])

    @property
    def _height(self) -> int:
        return int.from_bytes(self._frame[1:3])

    @property
    def _pixels(self) -> int:
        return self._width * self._height

    def result(self) -> Parsed:
        if not self._scans:
            raise broken("the JPEG has no picture in it")
        self._essence.append(self._view[self._kept_from :])
        profile = self._joined_profile()
        header = Header(
            container=Container.JPEG,
            width=self._width,
            height=self._height,
            orientation=self._orientation or 1,
            profile=profile is not None,
            progressive=self._progressive,
        )
        return Parsed(header, self._essence, profile)

    def _joined_profile(self) -> bytes | None:
        wanted = range(1, self._profile_parts + 1)
        if not self._profile or any(number not in self._profile for number in wanted):
            return None
        profile = b"".join(self._profile[number] for number in wanted)
        return profile if 0 < len(profile) <= self._limits.profile_bytes else None
