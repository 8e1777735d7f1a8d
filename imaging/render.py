"""Decode, orient, convert, resize, encode: a picture in, a variant out, and no I/O."""

from io import BytesIO

from PIL import Image, ImageOps

from cdn.address import Format, Recipe

# Most of a decoder's past holes are in formats that no camera or phone writes.
DECODED_FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 50_000_000
# Shrinking by whole factors first, to no less than twice the target, costs no visible sharpness.
_REDUCING_GAP = 2.0


class UndecodableError(ValueError):
    """The bytes are not a picture that may be decoded here."""


def render(original: bytes, recipe: Recipe) -> bytes:
    """The variant of `original` that `recipe` asks for, encoded, without any metadata.

    A picture is never enlarged: a box larger than the picture shrinks, keeping its shape.
    Raises UndecodableError.
    """
    try:
        with Image.open(BytesIO(original), formats=DECODED_FORMATS) as picture:
            # Pillow only warns up to twice its own limit, so the header is judged here.
            if picture.width * picture.height > MOST_PIXELS:
                raise UndecodableError(f"more than {MOST_PIXELS} pixels")
            upright = _upright(picture, recipe)
            return _encode(_fit(upright, recipe), recipe)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableError(str(error)) from error


def _upright(picture: Image.Image, recipe: Recipe) -> Image.Image:
    """Decoded, turned as its EXIF orientation says, in RGB."""
    # A JPEG is decoded at an eighth, a quarter or half of its size where that is enough. The
    # box may lie on its side before the turn, so its longer side is asked of both.
    longest = max(recipe.width or 0, recipe.height or 0)
    if longest:
        picture.draft("RGB", (round(longest * _REDUCING_GAP),) * 2)
    return ImageOps.exif_transpose(picture).convert("RGB")


def _fit(picture: Image.Image, recipe: Recipe) -> Image.Image:
    """Filling the recipe's box from the middle of the picture, or shrunk to its one side."""
    width, height = picture.size
    asked_width = recipe.width or (recipe.height and round(recipe.height * width / height))
    asked_height = recipe.height or (recipe.width and round(recipe.width * height / width))
    if not asked_width or not asked_height:
        return picture
    shrink = min(1.0, width / asked_width, height / asked_height)
    target = (max(1, round(asked_width * shrink)), max(1, round(asked_height * shrink)))
    if target == picture.size:
        return picture
    scale = min(width / target[0], height / target[1])
    crop = (target[0] * scale, target[1] * scale)
    # Rounding may put an edge a hair outside the picture, which Pillow refuses.
    left, top = max(0.0, (width - crop[0]) / 2), max(0.0, (height - crop[1]) / 2)
    right, bottom = min(float(width), left + crop[0]), min(float(height), top + crop[1])
    return picture.resize(
        target,
        Image.Resampling.LANCZOS,
        box=(left, top, right, bottom),
        reducing_gap=_REDUCING_GAP,
    )


def _encode(picture: Image.Image, recipe: Recipe) -> bytes:
    # Pillow writes what it read beside the pixels (comment, EXIF, profile) unless it is dropped.
    picture.info.clear()
    encoded = BytesIO()
    match recipe.format:
        case Format.WEBP:
            picture.save(encoded, "WEBP", quality=recipe.quality, method=2)
        case Format.JPEG:
            picture.save(encoded, "JPEG", quality=recipe.quality, optimize=True)
    return encoded.getvalue()
