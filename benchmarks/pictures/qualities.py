"""What the measured qualities say: which q of one format looks as good as which of another."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from cdn.address import Format

DATA: Final = Path(__file__).with_name("data") / "qualities.csv"
ANCHORS: Final = (80, 70)
"""JPEG's qualities that the other formats follow: normally, and with Save-Data."""
MEASURES: Final = ("ssim", "ssimulacra2")


@dataclass(frozen=True)
class Sample:
    """One photograph at one width in one encoding, and how like it is to what was encoded."""

    photograph: str
    width: int
    format: Format
    quality: int
    bytes: int
    ssim: float
    ssimulacra2: float


@dataclass(frozen=True)
class Match:
    """The quality of a format that equals JPEG's `anchor` by one measure: over all pictures."""

    format: Format
    anchor: int
    measure: str
    median: float
    tenth: float
    ninetieth: float


def matches(data: Iterable[Sample]) -> list[Match]:
    """For each format, anchor and measure the quality that equals JPEG's."""
    pictures: dict[tuple[str, int], list[Sample]] = {}
    for sample in data:
        pictures.setdefault((sample.photograph, sample.width), []).append(sample)
    found = []
    for format_ in (Format.WEBP, Format.AVIF):
        for anchor in ANCHORS:
            for measure in MEASURES:
                equal = sorted(
                    _equal(of_one, format_, anchor, measure) for of_one in pictures.values()
                )
                tenth, ninetieth = (equal[round(share * (len(equal) - 1))] for share in (0.1, 0.9))
                found.append(Match(format_, anchor, measure, median(equal), tenth, ninetieth))
    return found


def auto_quality(data: Iterable[Sample]) -> dict[str, list[int]]:
    """What q=auto has to be: by neither measure does the median photograph look worse than the
    JPEG, so of the two medians the higher one."""
    found = matches(data)
    table = {
        format_.value: [
            round(max(m.median for m in found if (m.format, m.anchor) == (format_, anchor)))
            for anchor in ANCHORS
        ]
        for format_ in (Format.AVIF, Format.WEBP)
    }
    return table | {Format.JPEG.value: list(ANCHORS)}


def read(path: Path = DATA) -> list[Sample]:
    """The samples that were written."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Sample(
                row["photograph"],
                int(row["width"]),
                Format(row["format"]),
                int(row["quality"]),
                int(row["bytes"]),
                float(row["ssim"]),
                float(row["ssimulacra2"]),
            )
            for row in csv.DictReader(file)
        ]


def _equal(of_one: list[Sample], format_: Format, anchor: int, measure: str) -> float:
    """The quality, between those of the grid, at which one picture measures as JPEG's anchor."""
    (wanted,) = (
        float(getattr(sample, measure))
        for sample in of_one
        if sample.format is Format.JPEG and sample.quality == anchor
    )
    curve = sorted(
        (float(getattr(sample, measure)), sample.quality)
        for sample in of_one
        if sample.format is format_
    )
    for (below, low), (above, high) in pairwise(curve):
        if below <= wanted < above:
            return low + (high - low) * (wanted - below) / (above - below)
    # Beyond the grid it is the grid's end; the median is far from there.
    return float(curve[0][1] if wanted < curve[0][0] else curve[-1][1])
