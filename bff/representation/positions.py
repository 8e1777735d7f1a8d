"""A position among the changes of orders, as clients keep it and send it back."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from msgspec import structs

from domain.errors import PositionLostError
from domain.order_changes import Position

# A generation in four bytes, and four numbers of the database in eight each.
_BYTES: Final = struct.Struct(">IQQQQ")
CHARACTERS: Final = 48
# 36 bytes in Base64 (RFC 4648 5).
PATTERN: Final = "^[A-Za-z0-9_-]{48}$(?!\n)"
_MOST: Final = 2**63 - 1


def position(text: str) -> Position:
    """The position that is written so, as PATTERN has it. Raises PositionLostError."""
    generation, *numbers = _BYTES.unpack(urlsafe_b64decode(text))
    if max(numbers) > _MOST:
        # No database has come so far.
        raise PositionLostError
    return Position(generation, *numbers)


def written(position: Position) -> str:
    """A position as it is told."""
    return urlsafe_b64encode(_BYTES.pack(*structs.astuple(position))).decode()
