"""Every picture's colours as sRGB, which is what a screen takes them for without a profile."""

from functools import lru_cache
from io import BytesIO
from itertools import chain, product

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
# In the header of a profile (ICC.1, 7.2), and PIL's mode for it.
_SPACE = slice(16, 20)
_SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
# White stays white and black stays black, as photographs want it and browsers do it.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
# Most profiles are sRGB under one name or another: what changes none of these by more than
# rounding does.
_SAMPLES = bytes(chain.from_iterable(product((0, 60, 130, 200, 255), repeat=3)))
_ROUNDING = 3


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """`picture` in L, LA, RGB or RGBA, its colours converted from `profile` to sRGB.

    A profile that is damaged, or for another kind of picture, is as good as none; without one
    CMYK is converted by the naive formula.
    """
    colours_mode = picture.mode.removesuffix("A")
    transform = _transform(profile, colours_mode) if profile else None
    if transform is None:
        return picture.convert("RGB") if picture.mode == "CMYK" else picture
    converted = transform.apply(picture.convert(colours_mode))
    if colours_mode == "L":
        converted = converted.convert("L")
    if picture.mode != colours_mode:
        converted.putalpha(picture.getchannel("A"))
    return converted


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None where there is nothing to do or nothing to go by."""
    # Little CMS takes pixels for what it is told: a profile of inks would be read beyond RGB.
    if _SPACES.get(profile[_SPACE]) != mode:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        transform = ImageCms.ImageCmsTransform(
            source, _SRGB, mode, "RGB", intent=_INTENT, flags=_FLAGS
        )
    except (OSError, TypeError, ValueError):
        return None
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    samples = Image.frombytes("RGB", (len(_SAMPLES) // 3, 1), _SAMPLES)
    converted = transform.apply(samples).tobytes()
    return all(abs(a - b) <= _ROUNDING for a, b in zip(_SAMPLES, converted, strict=True))
