"""PNG (W3C, third edition): its chunks, of which a decoder gets only those that make pixels.

An animated PNG is its still picture: the chunks of its frames are among those left out.
"""

import struct
import zlib
from collections.abc import Iterator

from imaging.containers import cicp, exif
from imaging.picture import Container, Header, Limits, Parsed, broken

MAGIC = b"\x89PNG\r\n\x1a\n"

_HEAD = struct.Struct(">I4s")
_IHDR = struct.Struct(">IIBBBBB")
_CHECKSUM_BYTES = 4
# Writers cut the data into pieces of 4 KB and more.
_MOST_CHUNKS = 50_000
_GREY, _TRUE_COLOUR = 0, 2
_GREY_ALPHA, _TRUE_COLOUR_ALPHA = 4, 6
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}


def read(body: bytes, limits: Limits) -> Parsed:
    """Take a PNG apart. Raises PictureError."""
    view = memoryview(body)
    essence: list[bytes | memoryview] = [MAGIC]
    found: dict[bytes, bytes] = {}
    has_data = False
    for kind, start, end in _chunks(body):
        if kind == b"IDAT":
            has_data = True
            essence.append(view[start:end])
        elif kind not in found:
            found[kind] = body[start + _HEAD.size : end - _CHECKSUM_BYTES]
            if kind in (b"IHDR", b"PLTE"):
                essence.append(view[start:end])
            elif kind == b"tRNS":
                essence.append(_chunk(kind, _transparency(found, found[kind])))
        # Text may be compressed a thousandfold; as nothing unpacks it, it cannot explode.
    if not has_data:
        raise broken("the PNG has no picture in it")
    essence.append(_chunk(b"IEND", b""))
    profile = _profile(found, limits)
    return Parsed(_header(found, profile), essence, profile)


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each chunk, up to the last that is whole."""
    start = len(MAGIC)
    for number in range(_MOST_CHUNKS):
        if start + _HEAD.size > len(body):
            return
        length, kind = _HEAD.unpack_from(body, start)
        end = start + _HEAD.size + length + _CHECKSUM_BYTES
        if (kind == b"IHDR") != (number == 0):
            raise broken("the PNG does not begin with its one header")
        if kind == b"IEND" or end > len(body):
            return
        yield kind, start, end
        start = end
    raise broken("it is cut into too many pieces")


def _header(found: dict[bytes, bytes], profile: bytes | None) -> Header:
    ihdr = found[b"IHDR"]
    if len(ihdr) != _IHDR.size:
        raise broken("the header of the PNG is incomplete")
    width, height, bits, colour, _, _, _ = _IHDR.unpack(ihdr)
    if bits not in _DEPTHS.get(colour, ()):
        raise broken(f"no PNG has colour type {colour} with {bits} bits")
    return Header(
        container=Container.PNG,
        width=width,
        height=height,
        orientation=exif.orientation(found.get(b"eXIf", b"")),
        bits=bits,
        alpha=colour in (_GREY_ALPHA, _TRUE_COLOUR_ALPHA) or b"tRNS" in found,
        profile=profile is not None,
    )


def _transparency(found: dict[bytes, bytes], content: bytes) -> bytes:
    """The transparent colour with as many bits as PIL decodes its samples to, and compares it."""
    bits, colour = found[b"IHDR"][8:10].ljust(2, b"\0")
    if (bits, colour) == (16, _TRUE_COLOUR):
        return b"".join(b"\0" + content[at : at + 1] for at in (0, 2, 4))
    if bits in (1, 2, 4) and colour == _GREY and len(content) > 1:
        # Of its 16 bits only the last ones count.
        white = (1 << bits) - 1
        return (255 * (content[1] & white) // white).to_bytes(2)
    return content


def _profile(found: dict[bytes, bytes], limits: Limits) -> bytes | None:
    # The numbers go first; the profile is for whoever does not know them (PNG, third edition). Of
    # greys there is none by number.
    _, colour = found[b"IHDR"][8:10].ljust(2, b"\0")
    if b"cICP" in found and colour not in (_GREY, _GREY_ALPHA):
        primaries, transfer = found[b"cICP"][:2].ljust(2, b"\0")
        numbered = cicp.profile(primaries, transfer)
        if numbered is not None or (primaries, transfer) == cicp.SRGB:
            return numbered
    _, _, packed = found.get(b"iCCP", b"").partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        # The first byte says how it is packed, and there is one way only.
        profile = unpacker.decompress(packed[1:], limits.profile_bytes)
    except zlib.error:
        return None
    return profile if profile and unpacker.eof else None


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return _HEAD.pack(len(content), kind) + content + checksum.to_bytes(_CHECKSUM_BYTES)
