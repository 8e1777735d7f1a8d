"""Whether bytes are a picture that may be decoded, judged by its header alone."""

from collections.abc import Callable

from imaging.containers import avif, gif, jpeg, png, webp
from imaging.picture import LIMITS, Container, Header, Kind, Limits, Parsed, PictureError, broken

__all__ = ["LIMITS", "Container", "Header", "Kind", "Limits", "PictureError", "parse", "probe"]

# What else people send, so that they are told what it was.
_OTHERS = {
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"<?xml": "SVG",
    b"\0\0\x01\0": "icon",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}
_HEAD_BYTES = 512


def probe(body: bytes, limits: Limits = LIMITS) -> Header:
    """The facts of a picture, none of whose pixels has been decoded.

    The type is told by the content, whatever a name or a sender says. Raises PictureError.
    """
    return parse(body, limits).header


def parse(body: bytes, limits: Limits = LIMITS) -> Parsed:
    """The picture taken apart and found within the limits. Raises PictureError."""
    if len(body) > limits.bytes:
        raise PictureError(
            Kind.TOO_MANY_BYTES,
            f"The picture has {len(body):,} bytes; {limits.bytes:,} are the most.",
        )
    parsed = _reader(body[:_HEAD_BYTES])(body, limits)
    _judge(parsed.header, limits)
    return parsed


def _reader(head: bytes) -> Callable[[bytes, Limits], Parsed]:
    if head.startswith(jpeg.MAGIC):
        return jpeg.read
    if head.startswith(png.MAGIC):
        return png.read
    if head.startswith(gif.MAGICS):
        return gif.read
    if webp.matches(head):
        return webp.read
    if avif.matches(head):
        return avif.read
    other = next((name for magic, name in _OTHERS.items() if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        other = "HEIC or video"
    if other:
        raise PictureError(
            Kind.UNSUPPORTED_FORMAT,
            f"This is {other}; send JPEG, PNG, WebP, GIF or AVIF.",
        )
    raise PictureError(
        Kind.NOT_A_PICTURE, "This is not a picture; send JPEG, PNG, WebP, GIF or AVIF."
    )


def _judge(header: Header, limits: Limits) -> None:
    if not header.pixels:
        raise broken("it has no height or no width")
    if header.pixels > limits.pixels:
        raise PictureError(
            Kind.TOO_MANY_PIXELS,
            f"The picture has {header.width:,} x {header.height:,} pixels; "
            f"{limits.pixels:,} in all are the most.",
        )
    side = max(header.width, header.height)
    if side > limits.side:
        raise PictureError(
            Kind.TOO_MANY_PIXELS,
            f"A side of the picture has {side:,} pixels; {limits.side:,} are the most.",
        )
    if header.frames > limits.frames:
        raise PictureError(
            Kind.TOO_MANY_FRAMES,
            f"The animation has more than the {limits.frames:,} frames that are the most.",
        )
