"""What q=auto stands for is what was measured, and the measuring reads its data rightly."""

import json
from collections.abc import Iterable

import pytest

from benchmarks.pictures.qualities import Sample, auto_quality, matches, read
from cdn.address import Format
from cdn.ladder import SOURCE


def test_the_ladder_has_the_qualities_that_the_data_says() -> None:
    ladder = json.loads(SOURCE.read_text(encoding="utf-8"))
    assert ladder["autoQuality"] == auto_quality(read())


def test_the_data_covers_drawn_and_real_photographs_at_several_widths() -> None:
    data = read()
    pictures = {(sample.photograph, sample.width) for sample in data}
    assert len(pictures) >= 30
    assert sum(not name.startswith("drawn") for name, _ in pictures) >= 10
    assert len({width for _, width in pictures}) >= 4


@pytest.mark.parametrize(("anchor", "equal"), [(80, 70.0), (70, 60.0)])
def test_between_two_qualities_of_the_grid_it_is_interpolated(anchor: int, equal: float) -> None:
    found = [m for m in matches(_straight()) if m.anchor == anchor and m.format is Format.WEBP]
    assert [m.median for m in found] == pytest.approx([equal, equal])


def _straight() -> Iterable[Sample]:
    """A picture whose JPEGs measure as another format does ten qualities lower."""
    for quality in (70, 80):
        yield _sample(Format.JPEG, quality, quality - 10)
    for format_ in (Format.WEBP, Format.AVIF):
        for quality in (44, 64, 84):
            yield _sample(format_, quality, quality)


def _sample(format_: Format, quality: int, measured: float) -> Sample:
    return Sample("drawn", 320, format_, quality, 1000, measured / 100, measured)
