"""The one fact in EXIF that pixels depend on: which way up they are."""

from typing import Literal

_PREFIX = b"Exif\0\0"
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_LONG = 4
# A camera writes some twenty entries; the loop must not be as long as a stranger likes.
_MOST_ENTRIES = 512


def orientation(exif: bytes) -> int:
    """1 to 8 (CIPA DC-008, 4.6.5) from an EXIF block; 1 where it is missing or makes no sense."""
    tiff = exif.removeprefix(_PREFIX)
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    first = number(4, 4)
    for entry in range(min(number(first, 2), _MOST_ENTRIES)):
        at = first + 2 + 12 * entry
        if number(at, 2) == _ORIENTATION:
            value = number(at + 8, 4 if number(at + 2, 2) == _LONG else 2)
            return value if 1 <= value <= 8 else 1
    return 1
