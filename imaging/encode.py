"""From pixels to the bytes of a variant, and nothing but pixels in them."""

import importlib
import os
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image

from cdn.address import Format
from imaging import engine  # noqa: F401  (brings AVIF)

# Below, the eye forgives colour at half resolution, which spares a fifth of the bytes.
_FULL_CHROMA_FROM = 90
# Above, a JPEG is shown coarse at first and has 4 % less bytes, for twice the time to encode.
_PROGRESSIVE_FROM = 750_000
# Tables of its own spare a JPEG 3 % of its bytes and more than double the encoder's time; WebP's
# method 4 has 10 % less bytes than 2 at equal quality, for 2.3 times the time.
_THOROUGH_UP_TO = 512 * 512
_THOROUGH, _QUICK = 4, 2
_AVIF_SPEED = 8
_LEVEL_QUALITY = 92
# WebP's 16 bits (RFC 9649): a GIF may repeat as often, and is then played once more.
_MOST_PLAYS = 65_535
# SVT-AV1 takes a third of aom's time at this speed, but knows neither grey, nor tiny pictures,
# nor full chroma; for that aom takes as long at its next speed, for 8 % more bytes.
_SVT_FROM = 16
_AVIF_FULL_CHROMA_SPEED = 9

# SVT-AV1 tells standard error its settings at each picture, unless told not to.
os.environ.setdefault("SVT_LOG", "1")


def encoded(picture: Image.Image, format_: Format, quality: int) -> bytes:
    """`picture` (L, LA, RGB or RGBA; for JPEG without alpha) in `format_`."""
    options = _options(picture, format_, quality)
    if format_ is Format.JPEG:
        return _jpeg(picture, **options)
    return _saved(picture, format_, **options)


def animated_webp(
    frames: list[Image.Image], durations: list[int], plays: int, quality: int
) -> bytes:
    """The frames (RGBA, of one size), each shown so many milliseconds; played for ever if 0."""
    first, *others = frames
    return _saved(
        first,
        Format.WEBP,
        save_all=True,
        append_images=others,
        duration=durations,
        loop=min(plays, _MOST_PLAYS),
        quality=quality,
        method=_QUICK,
    )


def encoded_level(picture: Image.Image) -> tuple[bytes, Format]:
    """A copy to make variants from (L, LA, RGB or RGBA), as good as never changed."""
    if picture.mode in ("LA", "RGBA"):
        return _saved(picture, Format.WEBP, lossless=True, quality=0, method=0), Format.WEBP
    body = _jpeg(picture, quality=_LEVEL_QUALITY, subsampling="4:2:0", optimize=True)
    return body, Format.JPEG


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    try:
        return _saved(picture, Format.JPEG, **options)
    except OSError:
        # For tables of its own and for coarse at first PIL gives libjpeg a byte a pixel, all at
        # once, and noise takes more. What is neither is written piece by piece.
        plain = options | {"optimize": False, "progressive": False}
        return _saved(picture, Format.JPEG, **plain)


def _saved(picture: Image.Image, format_: Format, **options: Any) -> bytes:
    # PIL would write what it read beside the pixels: comment, EXIF, profile.
    picture.info.clear()
    body = BytesIO()
    picture.save(body, format_.name, **options)
    return body.getvalue()


def _options(picture: Image.Image, format_: Format, quality: int) -> dict[str, Any]:
    pixels = picture.width * picture.height
    thorough = pixels <= _THOROUGH_UP_TO
    # A lossy WebP never has another than 4:2:0 (RFC 9649).
    chroma = "4:4:4" if quality >= _FULL_CHROMA_FROM else "4:2:0"
    match format_:
        case Format.JPEG:
            return {
                "quality": quality,
                "subsampling": chroma,
                "optimize": thorough,
                "progressive": pixels >= _PROGRESSIVE_FROM,
            }
        case Format.WEBP:
            return {
                "quality": quality,
                "method": _THOROUGH if thorough else _QUICK,
            }
        case Format.AVIF:
            whole = chroma == "4:4:4"
            known_to_svt = min(picture.size) >= _SVT_FROM and picture.mode != "L" and not whole
            return {
                "quality": quality,
                "speed": _AVIF_FULL_CHROMA_SPEED if whole else _AVIF_SPEED,
                "codec": "svt" if known_to_svt and _has_svt() else "aom",
                "subsampling": chroma,
                "max_threads": 1,
            }
        case Format.PNG:
            return {}


@lru_cache(maxsize=1)
def _has_svt() -> bool:
    """Whether libavif, PIL's own or the plugin's, was built with it."""
    try:
        avif = importlib.import_module("PIL._avif")
    except ImportError:
        avif = importlib.import_module("pillow_avif._avif")
    return bool(avif.encoder_codec_available("svt"))
