"""Which format a client is answered with: its Accept header, read as RFC 9110 12.5.1 says."""

import re
from functools import lru_cache
from typing import Final

from cdn.ladder import LADDER, Format

# A quoted parameter may hold a comma, and none of our media types has one; RFC 9110 lets an
# Accept that is not understood be disregarded. Other bytes are no part of the grammar.
_READABLE: Final = re.compile(r"[\t !#-~]*")
_WEIGHT: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def preferred(accept: str, *, animated: bool = False) -> Format:
    """The format of the highest weight, the ladder's order deciding between equals.

    AVIF and WebP are only for those who name them: `image/*` and `*/*` are sent by clients
    that were written before either existed, and by every library's default, so they say
    "any picture that I know", which is JPEG. JPEG is also the answer when nothing is
    acceptable, for a picture in a format that was not asked for beats none at all (406).
    Several Accept lines are to be joined by commas (RFC 9110 5.3).
    """
    # Before the cache, or it would keep whatever anybody sends.
    return _preferred("" if len(accept) > LADDER.limits.accept_bytes else accept, animated)


@lru_cache(maxsize=1024)
def _preferred(accept: str, animated: bool) -> Format:
    found = weights(accept)
    choice, highest = Format.JPEG, 0.0
    for candidate in LADDER.formats:
        if animated and candidate not in (*LADDER.animated, Format.JPEG):
            continue
        weight = _weight_of(candidate, found)
        if weight > highest:
            choice, highest = candidate, weight
    return choice


def weights(header: str) -> dict[str, float]:
    """What a header like Accept or Accept-Encoding names -> its weight (RFC 9110 12.4.2); of
    what is named twice, the lower. Nothing of a header that cannot be read."""
    if not _READABLE.fullmatch(header):
        return {}
    found: dict[str, float] = {}
    for element in header.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        weight = _weight(parameters)
        if weight is not None:
            found[name] = min(weight, found.get(name, 1.0))
    return found


def _weight(parameters: list[str]) -> float | None:
    """The weight from 0 to 1; None when other parameters make it another media type."""
    given = [each for each in parameters if each]
    if not given:
        return 1.0
    if not all(each.startswith("q=") for each in given):
        return None
    # A weight that cannot be read, or a second one, is a refusal: JPEG harms nobody.
    written = _WEIGHT.fullmatch(given[0]) if len(given) == 1 else None
    return float(written[1]) if written else 0.0


def _weight_of(candidate: Format, found: dict[str, float]) -> float:
    if candidate is not Format.JPEG:
        return found.get(candidate.media_type, 0)
    # The most specific range counts (RFC 9110 12.5.1).
    for media_range in (candidate.media_type, "image/*", "*/*"):
        if media_range in found:
            return found[media_range]
    return 0


def saves_data(header: str) -> bool:
    """Whether a Save-Data header is `on`, its only defined token."""
    return header.strip(" \t").lower() == "on"
