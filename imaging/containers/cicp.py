"""Colours told by number (ITU-T H.273), as the ICC profile that says the same."""

import struct
from functools import cache

# The wide gamut of telephones and screens, with the curve of sRGB. BT.2020 mostly comes with more
# light than sRGB has, which would have to be toned down, not converted.
_DISPLAY_P3 = (12, 13)
SRGB = (1, 13)
# Its red, green and blue as XYZ adapted to D50, and the curve of sRGB: g, a, b, c and d of
# (a * x + b) ** g from d on and c * x below (ICC.1, 10.18).
_COLORANTS = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_D50 = (0.9642, 1.0, 0.8249)
_HEAD = struct.Struct(">I4xI4s4s4s12x4s28x12s48x")
_TAG = struct.Struct(">4sII")


def profile(primaries: int, transfer: int) -> bytes | None:
    """A profile of these colours; None where they are sRGB, or none of ours."""
    return _display_p3() if (primaries, transfer) == _DISPLAY_P3 else None


@cache
def _display_p3() -> bytes:
    curve = b"para\0\0\0\0\0\3\0\0" + _fixed(*_CURVE)
    tags = {name: b"XYZ \0\0\0\0" + _fixed(*xyz) for name, xyz in _COLORANTS.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    directory, contents = struct.pack(">I", len(tags)), b""
    start = _HEAD.size + len(directory) + _TAG.size * len(tags)
    for name, content in tags.items():
        directory += _TAG.pack(name, start + len(contents), len(content))
        contents += content
    size = start + len(contents)
    head = _HEAD.pack(size, 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp", _fixed(*_D50))
    return head + directory + contents


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))
