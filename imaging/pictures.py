"""The port to whoever knows which picture a product has: the catalogue."""

import base64
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol


class PictureFacts(Protocol):
    """What the catalogue keeps of a picture; sizes in pixels and upright."""

    @property
    def version(self) -> str:
        """Names the content: another picture has another version."""

    @property
    def original(self) -> str:
        """Names what it is rendered from: no other upload has it, of the same content neither."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def thumbhash(self) -> str | None:
        """A blur of it, in base64."""

    @property
    def levels(self) -> Sequence[tuple[int, int]]:
        """The sizes of the levels of its pyramid, which lie beside the original."""

    @property
    def uploaded_at(self) -> datetime: ...


def shows_through(picture: PictureFacts) -> bool:
    """Whether what is behind the picture is seen, by the 24th bit of its ThumbHash; yes, where it
    has none."""
    return not picture.thumbhash or base64.b64decode(picture.thumbhash[:4])[2] >= 0x80


class Pictures(Protocol):
    """Reads of the catalogue."""

    def picture(self, product_id: int) -> Coroutine[Any, Any, PictureFacts | None]:
        """The facts of a product's picture; None without product or without picture."""
