"""How alike two pictures are: the structural similarity of Wang, Bovik, Sheikh and Simoncelli."""

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# The constants of the paper (2004): Gaussian window of 11 pixels, deviation 1.5, 8-bit range.
_REACH = 5
_WINDOW = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / 1.5) ** 2)
_WINDOW = (_WINDOW / _WINDOW.sum()).astype(np.float32)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def luma(pixels: NDArray[np.float32]) -> Plane:
    """The luma (ITU-R BT.601) of height x width x 3 values from 0 to 255."""
    return np.asarray(pixels @ _LUMA)


def ssim(one: Plane, other: Plane) -> float:
    """The mean structural similarity of two planes of equal shape: 1.0 when they are the same.

    Borders are mirrored, so a plane narrower than the window has a value too.
    """
    mean_one, mean_other = _blurred(one), _blurred(other)
    variance_one = _blurred(one * one) - mean_one**2
    variance_other = _blurred(other * other) - mean_other**2
    covariance = _blurred(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_one + variance_other + _C2)
    return float((luminance * structure).mean())


def _blurred(plane: Plane) -> Plane:
    for axis in (0, 1):
        margins = [(0, 0), (0, 0)]
        margins[axis] = (_REACH, _REACH)
        padded = np.moveaxis(np.pad(plane, margins, mode="symmetric"), axis, 0)
        length = plane.shape[axis]
        # The window is symmetric: what is equally far from its middle is added up first.
        blurred = _WINDOW[_REACH] * padded[_REACH : _REACH + length]
        for shift, weight in enumerate(_WINDOW[:_REACH]):
            mirrored = 2 * _REACH - shift
            pair = padded[shift : shift + length] + padded[mirrored : mirrored + length]
            pair *= weight
            blurred += pair
        plane = np.moveaxis(blurred, 0, axis)
    return plane
