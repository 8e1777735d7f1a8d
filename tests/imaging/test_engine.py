"""What `imaging.engine` says of the PIL in use is true; run on pillow-simd and on stock Pillow."""

import base64
import hashlib
import io
import re
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from imaging import engine
from imaging.engine import Engine, describe

CODECS = ("jpeg", "png", "webp", "avif")

SOUND = Engine(
    name="pillow-simd",
    version="12.1.1.post0",
    simd="avx2",
    codecs=dict.fromkeys(CODECS, "some library 1.0"),
    lcms2="2.14",
    processor_has_avx2=True,
)


def distribution(at: Path, name: str, version: str, record: str | None = None) -> None:
    """The metadata that an installer leaves in `at`."""
    info = at / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if record is not None:
        (info / "RECORD").write_text(record)


def test_the_engine_set_up_is_the_engine_that_runs() -> None:
    on_stock = any(Path(entry).name == ".stock-pillow" for entry in sys.path)
    names = {found.name for found in metadata.distributions()}
    expected = "pillow-simd" if "pillow-simd" in names and not on_stock else "pillow"
    assert describe().name == expected


def test_pillow_simd_knows_its_level_and_stock_pillow_has_none() -> None:
    found = describe()
    assert found.simd in ({"avx2", "sse4"} if found.name == "pillow-simd" else {"scalar"})


@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_is_claimed_exactly_when_it_writes_and_reads(codec: str) -> None:
    picture = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    held = io.BytesIO()
    try:
        picture.save(held, codec, quality=90)
        with Image.open(held, formats=[codec]) as again:
            last_row = again.convert("RGB").crop((0, 47, 64, 48)).tobytes()
        works = len(last_row) == 64 * 3 and min(last_row) > 200
    except (KeyError, OSError):  # what PIL raises for a format it cannot write
        works = False
    assert works == (codec in describe().codecs)


def test_importing_the_engine_is_enough_to_bring_avif() -> None:
    program = (
        "import imaging.engine; from PIL import Image; Image.init(); print('AVIF' in Image.SAVE)"
    )
    fresh = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert fresh.stdout.strip() == str("avif" in describe().codecs), fresh.stderr


def test_the_libraries_are_named_with_their_versions() -> None:
    for library in describe().codecs.values():
        assert re.search(r"\d+\.\d+", library), library


def test_little_cms_is_claimed_exactly_when_it_converts() -> None:
    srgb = ImageCms.createProfile("sRGB")
    picture = Image.new("RGB", (2, 2), "red")
    converted = ImageCms.profileToProfile(picture, srgb, srgb)
    assert converted is not None
    assert describe().lcms2


@pytest.mark.parametrize(
    ("contents", "level"),
    [
        (b"..GNU C17 12.2.0 -mavx2 -msse4 -mtune=generic -march=x86-64 -O2..", "avx2"),
        (b"..GNU C17 12.2.0 -msse4 -mtune=generic -march=x86-64 -O2..", "sse4"),
        (b"..GNU C17 14.2.1 -msse4 -march=x86-64-v3 -O2..", "avx2"),
        (b"..nothing recorded, though vpaddd and avx2 are spoken of..", None),
    ],
)
def test_the_level_is_read_from_the_recorded_switches(contents: bytes, level: str | None) -> None:
    assert engine._recorded_level(contents) == level


@pytest.mark.parametrize("owner", ["pillow-simd", "pillow"])
def test_the_owner_is_whose_record_holds_the_loaded_module(tmp_path: Path, owner: str) -> None:
    loaded = tmp_path / "PIL" / "_imaging.so"
    loaded.parent.mkdir()
    loaded.write_bytes(b"machine code")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"machine code").digest()).rstrip(b"=")
    for name in ("pillow-simd", "pillow"):
        held = digest.decode() if name == owner else "of-another-file"
        distribution(tmp_path, name, "12.1.1", record=f"PIL/_imaging.so,sha256={held},12\n")
    installed = {
        name: found
        for found in metadata.distributions(path=[str(tmp_path)])
        if (name := found.name) in ("pillow-simd", "pillow")
    }
    assert engine._owner(installed, loaded, b"machine code") == owner  # type: ignore[arg-type]


def test_the_other_engine_installed_too_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = describe()
    other = "pillow" if before.name == "pillow-simd" else "pillow-simd"
    distribution(tmp_path, other, "99.0")
    monkeypatch.syspath_prepend(tmp_path)

    after = describe()

    assert after == replace(before, rival=f"{other} 99.0")
    assert after.warnings[0].startswith(f"{other} 99.0 is installed")


def test_a_sound_engine_raises_no_warning() -> None:
    assert SOUND.warnings == ()
    assert replace(SOUND, name="pillow", version="13.0.0", simd="scalar").warnings == ()


@pytest.mark.parametrize(
    ("flawed", "words"),
    [
        (replace(SOUND, name="pillow", rival="pillow-simd 12.1.1.post0"), "stock Pillow lies over"),
        (replace(SOUND, rival="pillow 13.0.0"), "beside pillow-simd"),
        (replace(SOUND, codecs={c: "x" for c in CODECS if c != "webp"}), "WEBP"),
        (replace(SOUND, codecs={c: "x" for c in CODECS if c != "avif"}), "AVIF"),
        (replace(SOUND, lcms2=None), "wrong colours"),
        (replace(SOUND, simd="sse4"), "built for SSE4"),
        (replace(SOUND, processor_has_avx2=False), "SIGILL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_should_be_put_right_is_one_warning_and_is_printed(flawed: Engine, words: str) -> None:
    (warning,) = flawed.warnings
    assert words in warning
    assert any(line.startswith("warning") and words in line for line in flawed.lines())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (SOUND, "security fixes"),
        (replace(SOUND, version="13.1.0.post0", simd=None), "SIMD level unknown"),
    ],
)
def test_what_is_worth_knowing_is_a_note_and_no_warning(found: Engine, words: str) -> None:
    (note,) = found.notes
    assert words in note
    assert found.warnings == ()


def test_the_lines_tell_engine_level_and_every_codec() -> None:
    lines = replace(SOUND, codecs={"jpeg": "libjpeg-turbo 3.1"}).lines()
    assert lines[0].split() == ["PIL", "pillow-simd", "12.1.1.post0", "(avx2)"]
    assert [line.split(maxsplit=1) for line in lines[1:5]] == [
        ["jpeg", "libjpeg-turbo 3.1"],
        ["png", "no"],
        ["webp", "no"],
        ["avif", "no"],
    ]
