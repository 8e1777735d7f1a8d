"""The picture that is shown where a product has none."""

from pathlib import Path
from typing import Final, NamedTuple

# It comes with every absence, so it is to be small.
MOST_BYTES: Final = 64 * 1024
_MEDIA_TYPES: Final = {
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


class PlaceholderError(ValueError):
    """The file cannot be a placeholder; the message says why."""


class Placeholder(NamedTuple):
    """A small picture as it is sent."""

    body: bytes
    media_type: str


def load(path: Path) -> Placeholder:
    """The placeholder of a file, whose name says its type. Raises PlaceholderError."""
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise PlaceholderError(f"{path} is not named like one of {', '.join(_MEDIA_TYPES)}")
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlaceholderError(f"{path} cannot be read: {error.strerror}") from error
    if not 0 < len(body) <= MOST_BYTES:
        raise PlaceholderError(f"{path} has to have 1 to {MOST_BYTES:,} bytes")
    return Placeholder(body, media_type)
