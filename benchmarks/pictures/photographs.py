"""Photographs that nobody has to license: the demo's, and the free ones of scikit-image."""

import subprocess
import sys
from io import BytesIO

from PIL import Image

from benchmarks.pictures.place import PEERS
from infra.demo.pictures import draw_jpeg

DISHES = ("salads", "grill", "desserts", "breakfast")
SIZES = {"12 MP": (4000, 3000), "2 MP": (1633, 1225)}

SCIKIT_IMAGE = "scikit-image==0.26.0"
# In the public domain or CC0, as scikit-image's documentation says of each; camera JPEGs and
# lossless PNGs of fur, fabric, a face, machines, stars and vessels.
FREE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)


def drawn(size: tuple[int, int]) -> list[bytes]:
    """One JPEG of each dish, drawn once and then kept beside the peers."""
    kept = []
    for dish in DISHES:
        path = PEERS / "photographs" / f"{dish}-{size[0]}x{size[1]}.jpeg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(draw_jpeg(dish, 1, size))
        kept.append(path.read_bytes())
    return kept


def free() -> dict[str, Image.Image]:
    """The photographs of scikit-image by name; its wheel is fetched when it is missing."""
    home = PEERS / "scikit-image"
    if not home.exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*install, "--target", str(home), SCIKIT_IMAGE], check=True)
    pictures = {}
    for name in FREE:
        body = (home / "skimage" / "data" / name).read_bytes()
        pictures[name] = Image.open(BytesIO(body)).convert("RGB")
    return pictures
