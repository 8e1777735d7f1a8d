"""The facts of a picture are right before a pixel is decoded, and what is absurd is refused."""

import struct
import zlib

import pytest
from PIL import Image

from imaging.picture import LIMITS, Container, Header, Kind, Limits, PictureError
from imaging.probe import parse, probe
from tests.imaging import profiles
from tests.imaging.samples import (
    encoded,
    exif,
    gif,
    oriented,
    png,
    png_chunk,
    quarters,
    scene,
)

P3 = profiles.display_p3()


def refusal(body: bytes, limits: Limits = LIMITS) -> Kind:
    with pytest.raises(PictureError) as refused:
        probe(body, limits)
    assert str(refused.value).endswith(".")
    return refused.value.kind


def animated_webp(frames: int) -> bytes:
    first, *others = (Image.new("RGB", (40, 20), (40 * level, 0, 0)) for level in range(frames))
    return encoded(first, "WEBP", save_all=True, append_images=others, duration=80, loop=7)


def animated_avif(frames: int) -> bytes:
    first, *others = (Image.new("RGB", (40, 20), (40 * level, 0, 0)) for level in range(frames))
    return encoded(first, "AVIF", save_all=True, append_images=others, duration=80, speed=10)


PHOTO = quarters(40, 30)
SEE_THROUGH = Image.new("RGBA", (40, 30), (1, 2, 3, 4))
KEYED = png(40, 30, 8, 0, bytes(1200), png_chunk(b"tRNS", b"\0\1"))

HEADERS: list[tuple[str, bytes, dict[str, object]]] = [
    ("JPEG", encoded(PHOTO), {}),
    ("JPEG", encoded(PHOTO, progressive=True, icc_profile=P3), {
        "progressive": True, "profile": True,
    }),
    ("JPEG", encoded(PHOTO.convert("CMYK")), {}),
    ("JPEG", encoded(PHOTO.convert("L"), exif=exif(6)), {"orientation": 6}),
    # Two pictures in one file, as telephones make them, are the first.
    ("JPEG", encoded(PHOTO, "MPO", save_all=True, append_images=[quarters(4, 3)]), {}),
    ("PNG", encoded(PHOTO, "PNG"), {}),
    ("PNG", encoded(SEE_THROUGH, "PNG", exif=exif(8), icc_profile=P3), {
        "alpha": True, "orientation": 8, "profile": True,
    }),
    ("PNG", KEYED, {"alpha": True}),
    ("PNG", png(40, 30, 8, 2, bytes(3600), png_chunk(b"cICP", b"\x0c\r\0\1")), {"profile": True}),
    ("PNG", png(40, 30, 16, 2, bytes(7200)), {"bits": 16}),
    ("PNG", png(40, 30, 1, 0, bytes(150)), {"bits": 1}),
    ("PNG", encoded(PHOTO, "PNG", save_all=True, append_images=[quarters(40, 30)]), {}),
    ("WEBP", encoded(PHOTO, "WEBP"), {}),
    ("WEBP", encoded(PHOTO, "WEBP", lossless=True), {}),
    ("WEBP", encoded(SEE_THROUGH, "WEBP", lossless=True), {"alpha": True}),
    ("WEBP", encoded(SEE_THROUGH, "WEBP", exif=exif(3), icc_profile=P3), {
        "alpha": True, "orientation": 3, "profile": True,
    }),
    ("WEBP", animated_webp(5), {"width": 40, "height": 20, "frames": 5, "plays": 7}),
    ("GIF", encoded(PHOTO.convert("P"), "GIF"), {}),
    ("GIF", gif(40, 30, 5, repeats=2), {"frames": 5, "plays": 3}),
    ("GIF", gif(40, 30, 2, repeats=0), {"frames": 2, "plays": 0}),
    ("GIF", gif(40, 30, 2, repeats=None), {"frames": 2, "plays": 1}),
    ("AVIF", encoded(PHOTO, "AVIF"), {}),
    ("AVIF", encoded(SEE_THROUGH, "AVIF", icc_profile=P3), {"alpha": True, "profile": True}),
    ("AVIF", animated_avif(4), {"width": 40, "height": 20, "frames": 4}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "body", "facts"),
    HEADERS,
    ids=[f"{format_} {number}" for number, (format_, *_) in enumerate(HEADERS)],
)
def test_the_header_tells_the_facts(format_: str, body: bytes, facts: dict[str, object]) -> None:
    size: dict[str, object] = {"width": 40, "height": 30}
    assert probe(body) == Header(container=Container(format_), **(size | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_upright_size_is_that_of_the_turned_picture(format_: str, orientation: int) -> None:
    header = probe(encoded(oriented(PHOTO, orientation), format_, exif=exif(orientation)))
    assert header.orientation == orientation
    assert header.upright == (40, 30)


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_is_read_in_either_order_of_bytes(order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    for kind, value, meaning in ((3, 6, 6), (4, 6, 6), (3, 0, 1), (3, 9, 1), (3, 65535, 1)):
        number = struct.pack(order + ("HH" if kind == 3 else "I"), *[value, 0][: 5 - kind])
        tags = struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, kind, 1) + number
        assert probe(_with_exif(mark + tags)).orientation == meaning


@pytest.mark.parametrize(
    "tiff",
    [
        b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"XX*\0\x08\0\0\0",
        b"II*\0\x08\0\0\0\xff\xff\x12\x01", b"MM\0*" + b"\xff" * 60_000,
    ],
)  # fmt: skip
def test_a_damaged_exif_block_turns_nothing(tiff: bytes) -> None:
    assert probe(_with_exif(tiff)).orientation == 1


def _with_exif(tiff: bytes) -> bytes:
    content = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content
    return b"\xff\xd8" + segment + encoded(PHOTO)[2:]


def test_junk_between_segments_is_stepped_over() -> None:
    body = encoded(PHOTO)
    assert probe(b"\xff\xd8\xff\xff\xff" + body[2:20] + b"\0junk\xff\xff" + body[20:]).width == 40


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.NOT_A_PICTURE),
        (b"\0" * 1000, Kind.NOT_A_PICTURE),
        (b"\xff\xd8", Kind.NOT_A_PICTURE),
        (encoded(PHOTO, "BMP"), Kind.UNSUPPORTED_FORMAT),
        (encoded(PHOTO, "TIFF"), Kind.UNSUPPORTED_FORMAT),
        (b"%PDF-1.7", Kind.UNSUPPORTED_FORMAT),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Kind.UNSUPPORTED_FORMAT),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), Kind.UNSUPPORTED_FORMAT),
        (b"\xff\xd8\xff", Kind.BROKEN),
        (b"\xff\xd8\xff\xd9", Kind.BROKEN),
        (b"\xff\xd8\xff\xe0\xff\xff", Kind.BROKEN),
        (b"\x89PNG\r\n\x1a\n", Kind.BROKEN),
        (encoded(PHOTO, "PNG")[:40], Kind.BROKEN),
        (b"GIF89a", Kind.BROKEN),
        (b"GIF89a\x28\0\x1e\0\0\0\0;", Kind.BROKEN),
        (b"RIFF\0\0\0\0WEBP", Kind.BROKEN),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", Kind.BROKEN),
        (png(0, 1, 8, 0, b"x"), Kind.BROKEN),
        (png(1, 1, 3, 0, b"x"), Kind.BROKEN),
    ],
)
def test_what_cannot_be_decoded_is_refused(body: bytes, kind: Kind) -> None:
    assert refusal(body) == kind


def test_the_type_is_told_by_the_content() -> None:
    assert probe(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + encoded(PHOTO, "AVIF")[28:]) is not None
    assert refusal(b"GIF99a" + encoded(PHOTO, "GIF")[6:]) == Kind.NOT_A_PICTURE


TINY = Limits(bytes=100_000, pixels=1200, frames=5, scans=12, scan_pixels=1200 * 11)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_pixels_are_counted_in_the_header(format_: str) -> None:
    assert probe(encoded(PHOTO, format_), TINY).pixels == 1200
    assert refusal(encoded(quarters(40, 31), format_), TINY) == Kind.TOO_MANY_PIXELS


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
def test_no_side_is_longer_than_a_jpeg_can_have_it(size: tuple[int, int]) -> None:
    assert refusal(png(*size, 8, 6, bytes(size[1]))) == Kind.TOO_MANY_PIXELS
    shorter = size[0] - size[0] // 65_536, size[1] - size[1] // 65_536
    assert probe(png(*shorter, 8, 6, bytes(shorter[1]))).pixels == 65_535


@pytest.mark.parametrize("animation", [animated_webp, animated_avif, lambda n: gif(9, 9, n)])
def test_frames_are_counted_in_the_header(animation: object) -> None:
    assert callable(animation)
    assert probe(animation(5), TINY).frames == 5
    assert refusal(animation(6), TINY) == Kind.TOO_MANY_FRAMES


def test_a_frame_that_leaves_its_screen_counts_in_full() -> None:
    still = bytearray(encoded(PHOTO.convert("P"), "GIF"))
    still[6:10] = struct.pack("<HH", 1, 1)
    header = probe(bytes(still))
    assert (header.width, header.height) == (40, 30)


def test_bytes_are_counted_first() -> None:
    body = b"never looked at" * 10_000
    assert refusal(body, TINY) == Kind.TOO_MANY_BYTES


def test_scans_are_counted() -> None:
    body = encoded(PHOTO, progressive=True)
    assert body.count(b"\xff\xda") == 10
    assert probe(body, TINY).progressive
    assert refusal(_with_scans(body, 1), Limits(scans=10)) == Kind.TOO_MANY_PIXELS
    assert refusal(_with_scans(body, 2), TINY) == Kind.TOO_MANY_PIXELS


def _with_scans(body: bytes, more: int) -> bytes:
    last = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + last * more + b"\xff\xd9"


def test_a_second_frame_header_is_refused() -> None:
    body = encoded(PHOTO)
    start = body.index(b"\xff\xc0")
    frame = body[start : start + 19]
    larger = frame[:5] + b"\x20\0\x20\0" + frame[9:]
    for two in (frame + larger, larger + frame):
        assert refusal(body[:start] + two + body[start + 19 :]) == Kind.BROKEN


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_codings_that_no_camera_writes_are_refused(marker: int) -> None:
    body = encoded(PHOTO).replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
    assert refusal(body) == Kind.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("at", "value", "kind"),
    [
        (4, 12, Kind.UNSUPPORTED_FORMAT),  # bits
        (9, 2, Kind.BROKEN),  # components, of which there are three
        (11, 0x51, Kind.BROKEN),  # sampling
        (11, 0x10, Kind.BROKEN),
    ],
)
def test_an_impossible_frame_header_is_refused(at: int, value: int, kind: Kind) -> None:
    body = bytearray(encoded(PHOTO))
    body[body.index(b"\xff\xc0") + at] = value
    assert refusal(bytes(body)) == kind


JPEG, AVIF = encoded(PHOTO), encoded(PHOTO, "AVIF")
MANY_PIECES = {
    "jpeg": JPEG[:2] + b"\xff\xe5\0\2" * 10_000 + JPEG[2:],
    "tables": JPEG[:2] + (b"\xff\xdb\0\x43" + bytes(65)) * 1_100 + JPEG[2:],
    "png": png(40, 30, 8, 0, bytes(1200), png_chunk(b"IDAT", b"") * 50_000),
    "gif": gif(40, 30, 1)[:-1] + b"\x21\xfe" + b"\1x" * 260_000 + b"\0;",
    "webp": encoded(PHOTO, "WEBP") + b"junk\0\0\0\0" * 20_000,
    "avif": AVIF[: AVIF[3]] + b"\0\0\0\x08free" * 2_000 + AVIF[AVIF[3] :],
}


@pytest.mark.parametrize("body", MANY_PIECES.values(), ids=MANY_PIECES)
def test_a_file_of_many_tiny_pieces_is_refused(body: bytes) -> None:
    assert refusal(body) == Kind.BROKEN


def test_a_run_of_marker_bytes_takes_linear_time() -> None:
    # Tried from each of its bytes anew, it would take hours.
    assert refusal(b"\xff\xd8" + b"\xff" * 5_000_000 + b"\0") == Kind.BROKEN


def essence(body: bytes) -> bytes:
    return b"".join(parse(body).essence)


def test_a_decoder_gets_nothing_that_makes_no_pixels() -> None:
    secret = b"a secret" * 1000
    jpeg = encoded(scene(64, 48), comment=secret, exif=exif(3), icc_profile=P3, progressive=True)
    two = encoded(scene(64, 48), "MPO", save_all=True, append_images=[scene(64, 48)])
    chunks = png_chunk(b"tEXt", b"k\0" + secret), png_chunk(b"eXIf", exif(1)[6:])
    for body, most in (
        (jpeg, len(encoded(scene(64, 48), progressive=True))),
        (_with_comment_between_scans(jpeg, secret), len(encoded(scene(64, 48), progressive=True))),
        (two, len(two)),
        (png(40, 30, 8, 0, bytes(1200), *chunks), 200),
        (gif(40, 30, 100), 200),
    ):
        kept = essence(body)
        assert len(kept) <= most
        assert not any(word in kept for word in (b"secret", b"camera", b"acsp", b"MPF\0"))
        assert probe(kept).pixels == probe(body).pixels


def _with_comment_between_scans(body: bytes, comment: bytes) -> bytes:
    last = body.rindex(b"\xff\xc4")
    return body[:last] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + body[last:]


def test_numbers_go_before_a_profile_only_where_they_are_known() -> None:
    packed = png_chunk(b"iCCP", b"name\0\0" + zlib.compress(profiles.adobe_rgb()))
    for numbers, known in ((b"\x0c\r\0\1", True), (b"\x09\x10\0\1", False), (b"", False)):
        body = png(40, 30, 8, 2, bytes(3600), packed, png_chunk(b"cICP", numbers))
        assert (parse(body).profile == profiles.adobe_rgb()) is not known
    # sRGB needs no profile, and greys have none by number.
    for colour, numbers, profile in (
        (2, b"\x01\r\0\1", None),
        (0, b"\x0c\r\0\1", profiles.adobe_rgb()),
    ):
        pixels = bytes(3600 if colour else 1200)
        body = png(40, 30, 8, colour, pixels, packed, png_chunk(b"cICP", numbers))
        assert parse(body).profile == profile


def test_a_profile_in_many_segments_is_joined_in_their_order() -> None:
    profile = P3 + bytes(150_000)
    body = encoded(PHOTO, icc_profile=profile)
    assert parse(body).profile == profile
    missing = body.replace(b"ICC_PROFILE\0\x02", b"ICC_PROFILE\0\x09")
    assert parse(missing).profile is None


@pytest.mark.parametrize(
    "packed",
    [zlib.compress(bytes(100_000_000)), zlib.compress(P3)[:-9], b"no zlib", b""],
    ids=["bomb", "cut off", "not packed", "empty"],
)
def test_a_profile_that_cannot_be_unpacked_is_disregarded(packed: bytes) -> None:
    body = png(40, 30, 8, 0, bytes(1200), png_chunk(b"iCCP", b"name\0\0" + packed))
    assert parse(body).profile is None


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(PictureError, match="send JPEG, PNG, WebP, GIF or AVIF"):
        probe(b"hello")
    with pytest.raises(PictureError, match=r"40 x 31 pixels; 1,200"):
        probe(encoded(quarters(40, 31)), TINY)
