"""`python -m benchmarks.pictures.calibrate`: which qualities look as good as a JPEG's 80 and 70.

Encodes photographs at some widths of the ladder, compares each with what was encoded by two
measures, and writes data/qualities.csv, from which q=auto of cdn/ladder.json follows.
"""

import csv
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pictures.photographs import free
from benchmarks.pictures.place import PEERS
from benchmarks.pictures.qualities import ANCHORS, DATA, Sample, auto_quality, matches
from cdn.address import Format
from imaging.encode import encoded
from infra.demo.pictures import draw
from tests.imaging.acceptance.likeness import luma, ssim

_WIDTHS = (160, 320, 640, 1080)
_GRID = {
    Format.JPEG: ANCHORS,
    Format.WEBP: (40, 52, 64, 72, 80, 88, 96),
    Format.AVIF: (28, 40, 52, 60, 68, 76, 88),
}
_DISHES = ("breakfast", "salads", "soups", "pasta", "grill", "desserts")
_DRAWN = (2400, 1800)
_SSIMULACRA2 = "ssimulacra2==0.3.0"


def samples(photographs: dict[str, Image.Image]) -> Iterator[Sample]:
    """Every photograph at every width that does not enlarge it, in every encoding of the grid."""
    compare = _ssimulacra2()
    for name, photograph in photographs.items():
        for width in _WIDTHS:
            if width > photograph.width:
                continue
            size = width, round(photograph.height * width / photograph.width)
            picture = photograph.resize(size, Image.Resampling.LANCZOS)
            kept = BytesIO()
            picture.save(kept, "PNG", compress_level=1)
            plane = luma(np.asarray(picture, np.float32))
            for format_, qualities in _GRID.items():
                for quality in qualities:
                    body = encoded(picture.copy(), format_, quality)
                    shown = Image.open(BytesIO(body)).convert("RGB")
                    likeness = ssim(luma(np.asarray(shown, np.float32)), plane)
                    score = compare(BytesIO(kept.getvalue()), BytesIO(body))
                    yield Sample(
                        name,
                        width,
                        format_,
                        quality,
                        len(body),
                        round(likeness, 5),
                        round(float(score), 3),
                    )


def main() -> None:
    """Measure, write the data, and print what follows from it."""
    photographs = {f"drawn {dish}": draw(dish, 1, _DRAWN) for dish in _DISHES} | free()
    data = list(samples(photographs))
    with DATA.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(data[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in data)
    print("| format | as JPEG q | by | q, median | q, tenth to ninetieth percentile |")
    print("|---|---|---|---|---|")
    for each in matches(data):
        span = f"{each.tenth:.0f} to {each.ninetieth:.0f}"
        print(f"| {each.format} | {each.anchor} | {each.measure} | {each.median:.1f} | {span} |")
    print(f"\nautoQuality: {auto_quality(data)}")


def _ssimulacra2() -> Any:
    """SSIMULACRA2 by its Python port, which is fetched when it is missing."""
    home = PEERS / "ssimulacra2"
    if not home.exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(home)]
        subprocess.run([*install, _SSIMULACRA2], check=True)
    # At the end of the path: it brings a Pillow, and ours is to be the one that encodes.
    sys.path.append(str(home))
    return importlib.import_module("ssimulacra2").compute_ssimulacra2


if __name__ == "__main__":
    main()
