"""AVIF: the boxes (ISO/IEC 14496-12, 23008-12) that tell of the picture inside."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from imaging.containers import cicp
from imaging.picture import Container, Header, Limits, Parsed, broken

_BOX = struct.Struct(">I4s")
_LARGE = 1
_MOST_BOXES = 2_000
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_MOST_DEPTH = 6
# Quarter turns against the clock, and whether that is then mirrored left to right or top to
# bottom, as the EXIF orientation that looks the same.
_ORIENTATIONS = {
    (0, None): 1,
    (0, 1): 2,
    (2, None): 3,
    (0, 0): 4,
    (1, 0): 5,
    (3, 1): 5,
    (3, None): 6,
    (1, 1): 7,
    (3, 0): 7,
    (1, None): 8,
    (2, 1): 4,
    (2, 0): 2,
}

Span = tuple[bytes, int, int]


def matches(head: bytes) -> bool:
    """Whether a file that begins so is AVIF: by its brands, of which the first may be general."""
    size = int.from_bytes(head[:4])
    brands = head[8 : min(size, len(head))]
    return head[4:8] == b"ftyp" and any(
        brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4)
    )


def read(body: bytes, limits: Limits) -> Parsed:
    """Take an AVIF apart. Raises PictureError."""
    facts = _Facts(body)
    for kind, start, end in facts.boxes(0, len(body)):
        if kind == b"meta":
            facts.take_meta(start + 4, end)
        elif kind == b"moov":
            facts.frames = max(facts.frames, facts.samples(start, end))
    if facts.size is None:
        raise broken("the AVIF has no picture in it")
    has_profile = 0 < len(facts.profile) <= limits.profile_bytes
    profile = facts.profile if has_profile else cicp.profile(*facts.numbered)
    header = Header(
        container=Container.AVIF,
        width=facts.size[0],
        height=facts.size[1],
        orientation=_ORIENTATIONS[facts.turn, facts.mirror],
        frames=facts.frames,
        bits=facts.bits,
        alpha=facts.alpha,
        profile=profile is not None,
    )
    return Parsed(header, (body,), profile)


@dataclass
class _Facts:
    """What the boxes have told so far."""

    body: bytes
    size: tuple[int, int] | None = None
    turn: int = 0
    mirror: int | None = None
    bits: int = 8
    alpha: bool = False
    profile: bytes = b""
    numbered: tuple[int, int] = (0, 0)
    frames: int = 1
    boxes_seen: int = 0
    properties: list[Span] = field(default_factory=list)

    def boxes(self, start: int, end: int) -> Iterator[Span]:
        """Type of each box between two places, and where its content starts and ends."""
        while start + _BOX.size <= end:
            self.boxes_seen += 1
            if self.boxes_seen > _MOST_BOXES:
                raise broken("it has too many boxes")
            length, kind = _BOX.unpack_from(self.body, start)
            content = start + _BOX.size
            if length == _LARGE:
                length = int.from_bytes(self.body[content : content + 8])
                content += 8
            stop = end if length == 0 else start + length
            if not content <= stop <= end:
                # The data behind may be cut off, which the decoder notices.
                stop = end
            yield kind, content, stop
            start = stop

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.body[at : at + size])

    def take_meta(self, start: int, end: int) -> None:
        primary = 0
        associations: tuple[int, int] | None = None
        for kind, inside, stop in self.boxes(start, end):
            if kind == b"pitm":
                primary = self.number(inside + 4, 4 if self.number(inside, 1) else 2)
            elif kind == b"iprp":
                for inner, at, until in self.boxes(inside, stop):
                    if inner == b"ipco":
                        self.properties = list(self.boxes(at, until))
                    elif inner == b"ipma":
                        associations = at, until
        self.alpha = any(
            kind == b"auxC" and self.body.startswith(_ALPHA, at + 4)
            for kind, at, _ in self.properties
        )
        if associations is not None:
            for index in self._properties_of(primary, *associations):
                if 1 <= index <= len(self.properties):
                    self._take_property(*self.properties[index - 1])

    def _properties_of(self, item: int, at: int, end: int) -> Iterator[int]:
        """Which properties belong to an item (23008-12, 9.3.1): numbers that count from 1."""
        version, wide = self.number(at, 1), bool(self.number(at + 3, 1) & 1)
        entries = self.number(at + 4, 4)
        at += 8
        for _ in range(min(entries, _MOST_BOXES)):
            here = self.number(at, 4 if version else 2)
            at += 4 if version else 2
            count = self.number(at, 1)
            at += 1
            step = 2 if wide else 1
            if here == item:
                for place in range(at, min(at + count * step, end), step):
                    yield self.number(place, step) & (0x7FFF if wide else 0x7F)
            at += count * step

    def _take_property(self, kind: bytes, at: int, end: int) -> None:
        match kind:
            case b"ispe":
                self.size = self.number(at + 4, 4), self.number(at + 8, 4)
            case b"irot":
                self.turn = self.number(at, 1) & 3
            case b"imir":
                self.mirror = self.number(at, 1) & 1
            case b"pixi":
                self.bits = self.number(at + 5, 1) or 8
            case b"colr" if self.body[at : at + 4] in (b"prof", b"rICC"):
                self.profile = self.body[at + 4 : end]
            case b"colr" if self.body.startswith(b"nclx", at):
                self.numbered = self.number(at + 4, 2), self.number(at + 6, 2)

    def samples(self, start: int, end: int, depth: int = 0) -> int:
        """The most samples that a track of a sequence has."""
        most = 0
        for kind, at, stop in self.boxes(start, end):
            if kind == b"stsz":
                most = max(most, self.number(at + 8, 4))
            elif kind in (b"trak", b"mdia", b"minf", b"stbl") and depth < _MOST_DEPTH:
                most = max(most, self.samples(at, stop, depth + 1))
        return most
