"""One file of URLs and answers that the application and the edge function both keep to.

`byHand` is written by a person, `systematic` by the oracle below, which knows the rules in other
words than the code: `python tests/cdn/test_vectors.py` writes it again after a change of the
ladder. `{jpeg}` in a path stands for what q=auto is, `{jpeg-}` for what it is with Save-Data.
"""

import base64
import hmac
import json
import math
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from cdn.ladder import SOURCE

Vector = dict[str, Any]
Answer = dict[str, Any]

FILE = Path(__file__).with_name("vectors.json")
TABLE = json.loads(SOURCE.read_text())
AUTO = {
    name + mark: str(qualities[index])
    for name, qualities in TABLE["autoQuality"].items()
    for index, mark in enumerate(("", "-"))
}
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


# The oracle: from a wish in values, not from a URL, to the URL and the path it should have.


def wish(path: str | None = None, **said: str) -> Vector:
    """A vector of the parameters `said`, and of the path or, later, of the refusal."""
    query = "&".join(f"{name}={value}" for name, value in said.items() if value)
    return {"query": query, "path": f"/v/42/current/{path}"}


def up(value: float | Fraction, rungs: list[int]) -> int:
    return min((rung for rung in rungs if rung >= value), default=max(rungs))


def sizes() -> Iterator[Vector]:
    for rung, offset in product(TABLE["sizes"], (-1, 0, 1)):
        snapped = up(rung + offset, TABLE["sizes"])
        yield wish(f"w{snapped}_q80.webp", w=str(rung + offset), q="80", fm="webp")
        yield wish(f"h{snapped}_q80.webp", h=str(rung + offset), q="80", fm="webp")


def qualities() -> Iterator[Vector]:
    for quality, format_ in product(range(1, 101, 3), TABLE["autoQuality"]):
        snapped = up(quality, TABLE["qualities"])
        yield wish(f"full_q{snapped}.{format_}", q=str(quality), fm=format_)
        lower = max((rung for rung in TABLE["qualities"] if rung < snapped), default=snapped)
        frugal = wish(f"full_q{lower}.{format_}", q=str(quality), fm=format_)
        yield frugal | {"headers": {"save-data": "on"}}


def ratios() -> Iterator[Vector]:
    texts = ("1", "1.25", "1.26", "1.5", "1.75", "2", "2.0", "2.625", "3", "3.5", "3.501", "4")
    for width, text in product((1, 33, 160, 301, 640, 961, 2400, 10000), texts):
        quarters = math.ceil(Fraction(text) * 4)
        snapped = up(math.ceil(Fraction(width * quarters, 4)), TABLE["sizes"])
        yield wish(f"w{snapped}_q80.avif", dpr=text, w=str(width), q="80", fm="avif")


def shapes() -> Iterator[Vector]:
    boxes: tuple[tuple[str, str, str], ...] = (
        ("", "", "full"),
        ("640", "", "w640"),
        ("", "480", "h480"),
        ("640", "480", "w640_h480"),
    )
    formats = (*TABLE["autoQuality"], "png")
    for (w, h, box), fit, format_ in product(boxes, TABLE["fits"], formats):
        parts = [box]
        if w and h and fit != "cover":
            parts.append(fit)
        if format_ == "jpeg" or (w and h and fit == "contain"):
            parts.append("bg0000ff")
        if format_ != "png":
            parts.append("q80")
        said = {"w": w, "h": h, "fit": fit, "bg": "336699", "q": "80", "fm": format_}
        yield wish(f"{'_'.join(parts)}.{format_}", **said)


def focuses() -> Iterator[Vector]:
    places = {"": 50, "n": 0, "s": 100, "w": 0, "e": 100}
    for name in TABLE["gravities"]:
        across = next((places[each] for each in "we" if each in name), 50)
        down = next((places[each] for each in "ns" if each in name), 50)
        yield _focused(name, across, down)
    step = TABLE["focusStep"]
    for percent, thousandths in product(range(0, 101, step), range(0, 1001, 97)):
        point = Decimal(percent) / 100, Decimal(thousandths) / 1000
        lines = (point[1] * 100 / step).quantize(Decimal(1), ROUND_HALF_UP)
        yield _focused(f"{point[0]},{point[1]}", percent, int(lines) * step)


def _focused(text: str, across: int, down: int) -> Vector:
    off_centre = f"_g{across}-{down}" if (across, down) != (50, 50) else ""
    return wish(f"w300_h300{off_centre}_q80.jpeg", w="300", h="300", g=text, q="80")


def colours() -> Iterator[Vector]:
    levels = range(0, 256, TABLE["backgroundStep"])
    for channel in range(0, 256, 5):
        nearest = min(levels, key=lambda level: abs(level - channel))
        shown = f"_bg{nearest:02x}00ff"
        yield wish(f"w300{shown}_q80.jpeg", w="300", bg=f"{channel:02X}00fF", q="80")


def presets() -> Iterator[Vector]:
    for name, changes in product(TABLE["presets"], ({}, {"w": "96"}, {"h": "96"}, {"dpr": "2"})):
        chosen = TABLE["presets"][name] | changes
        ratio = int(chosen.get("dpr", 1))
        sides = [
            f"{side}{up(int(chosen[side]) * ratio, TABLE['sizes'])}"
            for side in "wh"
            if side in chosen
        ]
        yield wish(f"{'_'.join(sides)}_q80.jpeg", p=name, q="80", **changes)


def negotiations() -> Iterator[Vector]:
    weights = ("", ";q=1", ";q=0.5", ";q=0")
    values = {"": 1.0, ";q=1": 1.0, ";q=0.5": 0.5, ";q=0": 0.0}
    for avif, webp, rest in product(weights, weights, weights):
        accept = f"image/webp{webp}, image/avif{avif}, */*{rest}"
        ranking = [
            (values[avif], 2, "avif"),
            (values[webp], 1, "webp"),
            (values[rest], 0, "jpeg"),
        ]
        best = max(ranking)
        format_ = best[2] if best[0] else "jpeg"
        vector = wish(f"full_q{{{format_}}}.{format_}")
        yield vector | {"headers": {"accept": accept}}


def refusals() -> Iterator[Vector]:
    allowed = {
        "w": "a whole number from 1 to 10000",
        "h": "a whole number from 1 to 10000",
        "q": "auto or a whole number from 1 to 100",
        "dpr": "a number from 1 to 4",
        "bg": "a colour of 3 or 6 hexadecimal digits",
        "fit": "one of " + ", ".join(TABLE["fits"]),
        "fm": "one of auto, avif, webp, jpeg, png",
        "anim": "one of 0, 1",
        "p": "one of " + ", ".join(TABLE["presets"]),
        "v": "a version of 1 to 64 letters, digits, - and _",
        "s": "the name of a key, a dot and 43 characters",
        "g": f"one of {', '.join(TABLE['gravities'])} or a point such as 0.3,0.7",
    }
    for name, value in product(allowed, ("!", "-7", "1'--", "%0A", "..", "a b", "99999999999999")):
        if (name, value) not in {("v", "-7"), ("v", "99999999999999")}:
            detail = f'{name}="{value}" is not {allowed[name]}.'
            yield {"query": f"{name}={value}", "parameter": name, "detail": detail}


def systematic() -> list[Vector]:
    kinds = (sizes, qualities, ratios, shapes, focuses, colours, presets, negotiations, refusals)
    return [{"why": kind.__name__} | vector for kind in kinds for vector in kind()]


# Both languages


@pytest.fixture(scope="module")
def vectors(secret: bytes) -> list[Vector]:
    """The file's vectors with every default and placeholder filled in."""

    def complete(vector: Vector) -> Vector:
        signed = _signature(secret, vector["signs"]) if "signs" in vector else "{s}"
        path = vector.get("path")
        return vector | {
            "uri": vector.get("uri", "/products/42"),
            "method": vector.get("method", "GET"),
            "query": vector["query"].replace("{s}", signed),
            "headers": {
                name: lines if isinstance(lines, list) else [lines]
                for name, lines in vector.get("headers", {}).items()
            },
            "path": path and path.format(s=signed, **AUTO),
        }

    table = json.loads(FILE.read_text())
    return [complete(vector) for vector in (*table["byHand"], *table["systematic"])]


def _signature(secret: bytes, signed: str) -> str:
    digest = hmac.new(secret, b"comanda picture v1\n" + signed.encode(), "sha256").digest()
    return "k1." + base64.b64encode(digest, altchars=b"-_").decode().strip("=")


def _expected(vector: Vector) -> Answer:
    if "parameter" in vector:
        return {"parameter": vector["parameter"], "detail": vector["detail"]}
    return {"path": vector["path"]}


def test_there_are_at_least_five_hundred_different_vectors(vectors: list[Vector]) -> None:
    asked = {json.dumps([v["method"], v["uri"], v["query"], v["headers"]]) for v in vectors}
    assert len(asked) >= 500


def test_the_systematic_vectors_are_the_oracles() -> None:
    assert json.loads(FILE.read_text())["systematic"] == systematic()


def test_the_application_keeps_to_the_vectors(
    vectors: list[Vector], application: Callable[[Vector], Answer]
) -> None:
    for vector in vectors:
        assert application(vector) == _expected(vector), vector


@pytest.mark.parametrize("engine", ["edge", "njs"])
def test_the_edge_function_keeps_to_the_vectors(
    engine: str, vectors: list[Vector], request: pytest.FixtureRequest
) -> None:
    answers = request.getfixturevalue(engine)(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer == _expected(vector), vector


def main() -> None:
    """Write the systematic vectors again, one a line, and keep those by hand."""
    by_hand = json.loads(FILE.read_text())["byHand"]
    sections = {"byHand": by_hand, "systematic": systematic()}
    written = [
        f' "{name}": [\n'
        + ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in section)
        + "\n ]"
        for name, section in sections.items()
    ]
    FILE.write_text("{\n" + ",\n".join(written) + "\n}\n")


if __name__ == "__main__":
    main()
