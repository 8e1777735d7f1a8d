"""How much of the photograph is in an answer: SSIM of luma to a reduction in floating point."""

from collections.abc import Callable
from io import BytesIO
from statistics import fmean

import numpy as np
from PIL import Image

from tests.imaging.acceptance.likeness import Plane, luma, ssim

CLOSE = 0.003
"""Two means of SSIM that differ by less count as equal."""

# Beyond it bytes are spent on what nobody sees.
_HIGHEST = 95

Fetch = Callable[[int, int], bytes]
"""The answer for a photograph's number, at a quality."""


class Judge:
    """Compares answers with one set of photographs; a reference is made once a size."""

    def __init__(self, photographs: list[bytes]) -> None:
        self._photographs = photographs
        self._references: dict[tuple[int, int, int], list[Plane]] = {}

    def likeness(self, fetch: Fetch, quality: int) -> tuple[float, float]:
        """Mean SSIM, and mean bytes, of the answers for all photographs."""
        bodies = [fetch(number, quality) for number in range(len(self._photographs))]
        return fmean(map(self._one, range(len(bodies)), bodies)), fmean(map(len, bodies))

    def equal_quality(self, fetch: Fetch, wanted: float, start: int = 80) -> int | None:
        """The quality whose mean SSIM comes nearest to `wanted`; None if none comes close."""
        low, high, quality = 1, _HIGHEST, start
        found: dict[int, float] = {}
        while low <= high and quality not in found:
            found[quality] = gap = self.likeness(fetch, quality)[0] - wanted
            if gap < 0:
                low = quality + 1
            else:
                high = quality - 1
            # Near the end a step of quality is worth some 0.002 of SSIM.
            guess = quality - round(gap / 0.0015)
            quality = min(max(guess, low), high)
        best = min(found, key=lambda each: abs(found[each]))
        return best if abs(found[best]) <= CLOSE else None

    def _one(self, number: int, body: bytes) -> float:
        answer = Image.open(BytesIO(body)).convert("RGB")
        key = (number, *answer.size)
        if key not in self._references:
            self._references[key] = references(self._photographs[number], answer.size)
        plane = luma(np.asarray(answer, np.float32))
        return max(ssim(plane, each) for each in self._references[key])


def references(photograph: bytes, size: tuple[int, int]) -> list[Plane]:
    """The luma of the photograph decoded whole, cut to the shape of `size` around its middle, and
    reduced by Lanczos' filter in floats.

    Where it is cut there are three, half a pixel of the outcome apart: a server that reduces
    first and then cuts at a whole pixel shows the same picture, and is not to be marked down.
    """
    picture = Image.open(BytesIO(photograph)).convert("RGB")
    scale = min(picture.width / size[0], picture.height / size[1])
    part = size[0] * scale, size[1] * scale
    left, top = (picture.width - part[0]) / 2, (picture.height - part[1]) / 2
    if max(left, top) < scale:
        # Less than a pixel of the outcome: its size was rounded, and nothing was cut off.
        return [_reduced(picture, size, (0.0, 0.0, float(picture.width), float(picture.height)))]
    along = (1.0, 0.0) if left > top else (0.0, 1.0)
    boxes = []
    for shift in (-scale / 2, 0.0, scale / 2):
        x, y = left + shift * along[0], top + shift * along[1]
        boxes.append((x, y, x + part[0], y + part[1]))
    return [_reduced(picture, size, box) for box in boxes]


def _reduced(
    picture: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> Plane:
    planes = [
        np.asarray(channel.convert("F").resize(size, Image.Resampling.LANCZOS, box=box))
        for channel in picture.split()
    ]
    return luma(np.stack(planes, axis=-1))
