"""What is known of a picture before a pixel of it is decoded, and why one is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """Why a picture is refused; clients may rely on the value."""

    NOT_A_PICTURE = "not-a-picture"
    UNSUPPORTED_FORMAT = "unsupported-format"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_FRAMES = "too-many-frames"
    TOO_MANY_BYTES = "too-many-bytes"
    BROKEN = "broken"


class PictureError(ValueError):
    """A picture is refused: `kind` for programs, the words for whoever sent it."""

    def __init__(self, kind: Kind, words: str) -> None:
        super().__init__(kind, words)
        self.kind = kind
        self.words = words

    def __str__(self) -> str:
        return self.words


class Container(StrEnum):
    """The only formats that are decoded; the value is the name PIL knows it by."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    GIF = "GIF"
    AVIF = "AVIF"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most that is decoded. What exceeds it costs its sender a refusal, and us little."""

    bytes: int = 40_000_000
    pixels: int = 50_000_000
    """Of a frame, whatever is asked of it."""
    side: int = 65_535
    """Of a frame, in pixels: no JPEG and no GIF has a longer one. A filter takes 48 bytes for each
    column, which in a long thin picture is more than its pixels take."""
    frames: int = 1_000
    scans: int = 100
    """Of a JPEG: each progressive scan may touch every pixel again."""
    scan_pixels: int = 1_000_000_000
    """Scans times pixels: twenty scans of the largest picture."""
    animated_frames: int = 300
    """An animation with more frames is shown as its first one,"""
    animated_pixels: int = 150_000_000
    """and so is one with more pixels in all of its frames."""
    profile_bytes: int = 4_000_000
    """A larger colour profile is disregarded; those of printing presses have up to 3 MB."""


LIMITS = Limits()


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The facts in the head of a file. Sides in pixels and as stored, before any turn."""

    container: Container
    width: int
    height: int
    orientation: int = 1
    """How it has to be turned to stand upright: 1 to 8 as in EXIF (CIPA DC-008, 4.6.5)."""
    frames: int = 1
    plays: int = 1
    """How often an animation is played; 0 is for ever."""
    bits: int = 8
    """Of a sample as stored."""
    alpha: bool = False
    """Whether it has transparency, used or not."""
    profile: bool = False
    """Whether an ICC profile tells its colours: its own, or one that says what numbers say."""
    progressive: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as it is seen."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.width * self.height

    @property
    def animated(self) -> bool:
        """Whether there is more than one frame."""
        return self.frames > 1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file taken apart."""

    header: Header
    essence: Sequence[bytes | memoryview]
    """The parts from which a decoder gets the first frame. What no pixel depends on (EXIF,
    comments, thumbnails, other pictures behind the first) is left out where that is possible:
    it is what parsers stumble over, and what must never leave."""
    profile: bytes | None = None
    """That profile."""


def broken(what: str) -> PictureError:
    """The refusal of a file that is not as its format demands."""
    return PictureError(Kind.BROKEN, f"The picture is damaged: {what}.")
