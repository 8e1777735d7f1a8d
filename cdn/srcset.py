"""The picture in a page's or an app's payload, so that no client ever makes up a URL."""

from typing import Final

import msgspec

from cdn.address import LADDER

DEFAULT_SIZES: Final = "100vw"
_DEFAULT_WIDTH: Final = 640


class Sources(msgspec.Struct, frozen=True):
    """What an `<img>` needs: `url` for those without srcset, the original's own size, which
    reserves its place in the layout before the first byte, and what is shown there until then: a
    blur (ThumbHash, base64) or the main colour (#rrggbb), where they are known."""

    url: str
    srcset: str
    sizes: str
    width: int
    height: int
    thumbhash: str | None
    color: str | None


def srcset(
    product_id: int,
    version: str,
    width: int,
    height: int,
    *,
    sizes: str = DEFAULT_SIZES,
    thumbhash: str | None = None,
    color: str | None = None,
    base: str = "",
) -> Sources:
    """The sources of an original of `width` x `height` pixels (upright), under `base`.

    URLs carry the version, hence are immutable, and leave the format to Accept. The widest
    candidate is the original's own width, for nothing is ever enlarged; a descriptor says
    what really comes, or a browser would lay the picture out too small.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width} x {height} pixels has no sources")
    # Nor is anything larger than the longest side that is rendered at all.
    longest = LADDER.limits.signed_side
    widest = min(width, max(1, round(width * longest / max(width, height))))
    urls = {
        min(rung, widest): f"{base}/products/{product_id}?v={version}&w={rung}"
        for rung in _offered(widest)
    }
    return Sources(
        url=urls[_nearest(list(urls))],
        srcset=", ".join(f"{url} {shown}w" for shown, url in urls.items()),
        sizes=sizes,
        width=width,
        height=height,
        thumbhash=thumbhash,
        color=color,
    )


def _offered(width: int) -> list[int]:
    """The rungs below a width, and the first that holds all of it."""
    below = [rung for rung in LADDER.srcset if rung < width]
    return [*below, *(rung for rung in LADDER.srcset if rung >= width)][: len(below) + 1]


def _nearest(widths: list[int]) -> int:
    return next((width for width in widths if width >= _DEFAULT_WIDTH), widths[-1])
