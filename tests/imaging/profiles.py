"""Colour profiles (ICC.1:2001), made here of published primaries, for PIL makes sRGB only."""

import struct
from collections.abc import Callable, Iterable

Xyz = tuple[float, float, float]

# Of red, green and blue, adapted to D50.
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
_D50 = (0.9642, 1.0, 0.8249)


def display_p3() -> bytes:
    """Apple's display profile."""
    return _rgb(_P3, _curve(_srgb_to_linear))


def adobe_rgb() -> bytes:
    """Adobe RGB (1998)."""
    return _rgb(_ADOBE, _curve(lambda value: value ** (563 / 256)))


def grey(light: Callable[[float], float]) -> bytes:
    """A grey of which `light` tells how much light each value from 0 to 1 is."""
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _curve(light)})


def press(ink: Callable[[tuple[int, ...]], Xyz]) -> bytes:
    """A printing press: `ink` tells the Lab colour of each combination of full C, M, Y and K."""
    corners = [tuple(corner >> shift & 1 for shift in (3, 2, 1, 0)) for corner in range(16)]
    labs = bytes(
        byte
        for corner in corners
        for lightness, a, b in [ink(corner)]
        for byte in (round(lightness * 2.55), round(a + 128), round(b + 128))
    )
    straight = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + straight * 4 + labs + straight * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": _xyz(_D50)}, b"prtr")


def _rgb(primaries: Iterable[Xyz], curve: bytes) -> bytes:
    colorants = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, primaries), strict=True))
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _profile(b"RGB ", b"XYZ ", {b"wtpt": _xyz(_D50)} | colorants | curves)


def _srgb_to_linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _curve(of: Callable[[float], float]) -> bytes:
    points = [round(65535 * of(step / 1023)) for step in range(1024)]
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *points)


def _xyz(value: Xyz) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * part) for part in value))


def _profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], device: bytes = b"mntr"
) -> bytes:
    tags = {b"desc": b"desc\0\0\0\0\0\0\0\x02x\0" + bytes(79)} | tags
    offset = 128 + 4 + 12 * len(tags)
    directory, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        directory += struct.pack(">4sII", name, offset + len(contents), len(content))
        contents += padded
    head = struct.pack(
        ">I4sI4s4s4s12s4s4sII4s8sI3i",
        offset + len(contents), b"\0\0\0\0", 0x02400000, device, space, connection,
        bytes(12), b"acsp", b"\0\0\0\0", 0, 0, b"\0\0\0\0", bytes(8), 1,
        *(round(65536 * part) for part in _D50),
    )  # fmt: skip
    return head.ljust(128, b"\0") + directory + contents
