"""GIF (89a): its blocks, counted and stepped over, without a frame being decoded."""

import struct
from dataclasses import dataclass

from imaging.picture import Container, Header, Limits, Parsed, broken

MAGICS = (b"GIF87a", b"GIF89a")

_SCREEN = struct.Struct("<6sHHBBB")
_IMAGE = struct.Struct("<BHHHHB")
_EXTENSION, _IMAGE_SEPARATOR, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS = b"\x0bNETSCAPE2.0\x03\x01"
_TRANSPARENT = 1
# Sub-blocks have up to 255 bytes, and writers fill them; in the largest file that is 160,000.
# Somebody who makes them of one byte only wants us to count.
_MOST_STEPS = 250_000


def read(body: bytes, limits: Limits) -> Parsed:
    """Take a GIF apart. Raises PictureError."""
    if len(body) < _SCREEN.size:
        raise broken("the GIF ends in its header")
    _, width, height, flags, _, _ = _SCREEN.unpack_from(body)
    walk = _Walk(body, _SCREEN.size + _palette_bytes(flags), limits.frames, (width, height))
    walk.go()
    if not walk.frames:
        raise broken("the GIF has no picture in it")
    header = Header(
        container=Container.GIF,
        width=walk.screen[0],
        height=walk.screen[1],
        frames=walk.frames,
        plays=walk.plays,
        alpha=walk.transparent,
    )
    still = (memoryview(body)[: walk.first_end], bytes([_TRAILER]))
    return Parsed(header, still)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


@dataclass
class _Walk:
    """Where in the file we are, and what has been seen."""

    body: bytes
    position: int
    most_frames: int
    screen: tuple[int, int]
    frames: int = 0
    first_end: int = 0
    transparent: bool = False
    plays: int = 1
    steps: int = 0

    def go(self) -> None:
        """To the trailer, to the end of what is whole, or past the most frames."""
        while self.position < len(self.body) and self.frames <= self.most_frames:
            block = self.body[self.position]
            if block == _EXTENSION:
                self._extension()
            elif block == _IMAGE_SEPARATOR:
                self._image()
            elif block == _TRAILER:
                return
            else:
                # Padding and rubbish between blocks, which decoders step over too.
                self._step(self.position + 1)

    def _extension(self) -> None:
        start = self.position
        label, _, flags = self.body[start + 1 : start + 4].ljust(3, b"\0")
        if label == _GRAPHIC_CONTROL and not self.frames:
            self.transparent = bool(flags & _TRANSPARENT)
        elif label == _APPLICATION and self.body.startswith(_LOOPS, start + 2):
            at = start + 2 + len(_LOOPS)
            repeats = int.from_bytes(self.body[at : at + 2], "little")
            # It says how often to begin again, where WebP says how often to play.
            self.plays = repeats + 1 if repeats else 0
        self._skip_blocks(start + 2)

    def _image(self) -> None:
        if self.position + _IMAGE.size > len(self.body):
            self.position = len(self.body)
            return
        _, left, top, width, height, flags = _IMAGE.unpack_from(self.body, self.position)
        needed = max(self.screen[0], left + width), max(self.screen[1], top + height)
        if not self.frames:
            self.transparent |= (width, height) != needed
            # Decoders and browsers make the screen as large as its first frame needs it;
            self.screen = needed
        elif needed != self.screen:
            # PIL, as any later one does, so that there the animation ends.
            self.position = len(self.body)
            return
        # Behind the palette stands one byte, the size of the codes.
        self._skip_blocks(self.position + _IMAGE.size + _palette_bytes(flags) + 1)
        if not self.frames:
            self.first_end = min(self.position, len(self.body))
        self.frames += 1

    def _skip_blocks(self, position: int) -> None:
        while position < len(self.body) and self.body[position]:
            self._step(position + 1 + self.body[position])
            position = self.position
        self._step(position + 1)

    def _step(self, position: int) -> None:
        self.position = position
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise broken("it is cut into too many pieces")
