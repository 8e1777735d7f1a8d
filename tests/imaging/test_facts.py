"""What a page is told of a picture is true: its size, its blur and its colour."""

import base64

import pytest
from PIL import Image

from imaging.facts import dominant_color, facts, thumbhash
from imaging.picture import Container, Kind, PictureError
from tests.imaging import profiles
from tests.imaging.samples import encoded, exif, oriented, quarters, scene


def drawn(width: int, height: int, *, see_through: bool) -> Image.Image:
    """A picture by formula, so that other programs can make the very same."""
    pixels = bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in (
            x * 255 // width,
            y * 255 // height,
            (x * x + y * y) * 255 // (width * width + height * height),
            255 - see_through * (x * y * 200 // (width * height)),
        )
    )
    return Image.frombytes("RGBA", (width, height), pixels)


@pytest.mark.parametrize(
    ("width", "height", "see_through", "expected"),
    [
        # What the reference implementation (its JavaScript) says of these pictures.
        (32, 24, False, "WwkOFZqAh4dxiHiIeHiIeA2AA/iH"),
        (24, 32, False, "W/kNFRqBh3CIh4h4eIh4hzCNAPd4"),
        (20, 20, False, "WgkOFxqAh4dwiHiIeHh4iIh3aGAIcI8I"),
        (33, 9, False, "GhkSMpqAh4dziIiHToAH94g="),
        (10, 28, False, "GvkRKxqDcIeIh3iHcI4D+Hc="),  # 2.5 waves across, which is 3
        (64, 48, True, "WQmKFJYccHdieId41wE4cH/4h/eEd4h4CA=="),
        (48, 64, True, "WfmJFBYccgeGd4h3B9MYcI/4h/iEd4h4Bw=="),
    ],
)
def test_a_thumbhash_is_what_the_reference_makes(
    width: int, height: int, see_through: bool, expected: str
) -> None:
    assert thumbhash(drawn(width, height, see_through=see_through)) == expected


def mean_color(hashed: str) -> tuple[float, float, float]:
    """The mean colour in a ThumbHash, as a client reads it."""
    bits = int.from_bytes(base64.b64decode(hashed), "little")
    brightness, yellow_blue, red_green = (bits >> shift & 63 for shift in (0, 6, 12))
    light, p, q = brightness / 63, yellow_blue / 31.5 - 1, red_green / 31.5 - 1
    blue = light - 2 / 3 * p
    red = (3 * light - blue + q) / 2
    return 255 * red, 255 * (red - q), 255 * blue


def digits(hashed: str) -> list[int]:
    """Its hexadecimal digits, each of which is one factor behind the head."""
    return [int(digit, 16) for digit in base64.b64decode(hashed).hex()]


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (200, 30, 60), (10, 120, 250)])
def test_a_flat_picture_is_flat_in_its_thumbhash(color: tuple[int, int, int]) -> None:
    hashed = thumbhash(Image.new("RGBA", (32, 20), (*color, 255)))
    assert all(abs(a - b) < 8 for a, b in zip(mean_color(hashed), color, strict=True))
    assert set(base64.b64decode(hashed)[5:]) == {0}


def test_transparent_pixels_do_not_colour_the_thumbhash() -> None:
    picture = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    picture.paste((200, 30, 60, 255), (10, 10, 30, 30))
    hashed = thumbhash(picture)
    assert all(abs(a - b) < 8 for a, b in zip(mean_color(hashed), (200, 30, 60), strict=True))
    assert mean_color(thumbhash(Image.new("RGBA", (9, 9)))) is not None


def test_a_thumbhash_is_made_of_a_small_picture() -> None:
    with pytest.raises(ValueError, match="100 x 100"):
        thumbhash(Image.new("RGBA", (101, 20)))


def test_the_dominant_colour_is_that_of_the_most_pixels() -> None:
    picture = Image.new("RGBA", (40, 40), (0, 255, 0, 0))  # all of it green, but transparent
    picture.paste((30, 30, 200, 255), (0, 0, 40, 12))
    picture.paste((200, 30, 30, 255), (0, 12, 40, 30))
    assert dominant_color(picture) == "#c81e1e"
    assert dominant_color(Image.new("RGBA", (40, 40))) == "#ffffff"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_facts_are_of_the_upright_picture(orientation: int) -> None:
    upright = quarters(400, 300)
    body = encoded(oriented(upright, orientation), "PNG", exif=exif(orientation))
    found = facts(body)
    assert (found.width, found.height) == (400, 300)
    expected = facts(encoded(upright, "PNG"))
    # Turned after it was made small, a factor of a wave may round to its neighbour.
    pairs = zip(digits(found.thumbhash), digits(expected.thumbhash), strict=True)
    assert all(abs(one - other) <= 1 for one, other in pairs)
    assert (found.header.container, found.header.orientation) == (Container.PNG, orientation)


def test_the_facts_are_in_srgb() -> None:
    body = encoded(Image.new("RGB", (9, 9), (234, 51, 35)), icc_profile=profiles.display_p3())
    assert facts(body).color in ("#ff0000", "#fe0000", "#ff0100", "#fe0100")


def test_a_picture_that_does_not_decode_has_no_facts() -> None:
    body = encoded(scene(400, 300))
    with pytest.raises(PictureError) as refused:
        facts(body[: len(body) // 2])
    assert refused.value.kind == Kind.BROKEN
