"""Sauces, poured or spooned."""

import random

from PIL import Image

from infra.demo.pictures import noise
from infra.demo.pictures.curves import Stops, dye
from infra.demo.pictures.relief import Piece, mould, mound
from infra.demo.pictures.shapes import round_outline, silhouette

BOLOGNESE: Stops = ((84, 18, 6), (156, 42, 16), (196, 82, 38))
TOMATO: Stops = ((120, 26, 8), (190, 60, 20), (222, 106, 50))
PESTO: Stops = ((38, 66, 12), (84, 116, 30), (140, 160, 66))
CREAM: Stops = ((214, 190, 136), (242, 226, 184), (252, 244, 216))
GREEN: Stops = ((120, 136, 60), (176, 186, 104), (206, 210, 146))
AMERICANA: Stops = ((190, 120, 40), (226, 168, 84), (240, 200, 130))
MELTED: Stops = ((206, 130, 40), (244, 206, 120), (252, 232, 178))
BERRIES: Stops = ((120, 8, 20), (180, 20, 36), (214, 60, 70))
CARAMEL: Stops = ((70, 26, 4), (132, 62, 10), (180, 104, 30))
FUDGE: Stops = ((40, 20, 12), (70, 38, 24), (104, 64, 42))


def sauce(rng: random.Random, radius: float, stops: Stops, thick: float = 22) -> Piece:
    """A spoonful with an uneven edge, lumpy and wet."""
    outline = round_outline(rng, radius, radius * 0.92, 0.2, 8, 90)
    mask = silhouette(outline)
    height = noise.rough(mound(outline, mask.size), rng, 0.45)
    height = noise.rough(height, rng, 0.25, "fine")
    tone = Image.blend(noise.swatch(mask.size, "soft", rng), height, 0.4)
    return mould(mask, dye(tone, *stops), height, thick, 170)
