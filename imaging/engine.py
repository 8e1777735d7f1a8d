"""Which PIL this process runs on, and what it can do; importing this module also brings AVIF.

pillow-simd and stock Pillow install the same `PIL` package, so either can silently lie over the
other. The facts here are read from what is loaded, not from what somebody meant to install.
"""

import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import PIL
from PIL import _imaging, features

if not features.check("avif"):
    # pillow-avif-plugin brings its own libavif: the system's is often older than PIL's 1.0.
    with contextlib.suppress(ImportError):
        import pillow_avif  # noqa: F401

Name = Literal["pillow-simd", "pillow"]
Simd = Literal["avx2", "sse4", "scalar"]

_SET_UP = "`sh infra/local/setup.sh run`"


@dataclass(frozen=True, slots=True)
class Engine:
    """The PIL in use, as facts; `warnings` and `notes` are the sentences that follow from them."""

    name: Name
    version: str
    simd: Simd | None
    """Instruction set its C code was compiled for; None where the build did not record it."""
    codecs: Mapping[str, str]
    """What it can read and write (jpeg, png, webp, avif) -> the library that does it."""
    lcms2: str | None
    """Version of Little CMS, which turns wide-gamut pictures into sRGB; None without it."""
    processor_has_avx2: bool
    rival: str | None = None
    """The other distribution of PIL, if its metadata is installed too: "pillow 13.0.0"."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be put right, each with how."""
        said = []
        if self.rival and self.name == "pillow":
            said.append(
                f"{self.rival} is installed, but stock Pillow lies over it and is what runs; "
                f"some package required `pillow`. {_SET_UP} puts it right."
            )
        elif self.rival:
            said.append(
                f"{self.rival} is installed beside pillow-simd; both own the same files, and "
                f"removing either breaks PIL. {_SET_UP} puts it right."
            )
        said += [
            f"This PIL cannot do {codec.upper()}; install its library's headers and build it again."
            for codec in ("jpeg", "png", "webp", "avif")
            if codec not in self.codecs
        ]
        if self.lcms2 is None:
            said.append(
                "This PIL has no Little CMS: pictures that are not sRGB will have wrong colours; "
                "install the headers of lcms2 and build it again."
            )
        if self.simd == "sse4" and self.processor_has_avx2:
            said.append(
                "This processor has AVX2, but pillow-simd was built for SSE4. "
                f"{_SET_UP} builds it for this processor."
            )
        if self.simd == "avx2" and not self.processor_has_avx2:
            said.append(
                "pillow-simd was built for AVX2, which this processor lacks: it will be killed by "
                f"SIGILL in the middle of a picture. {_SET_UP} builds it for this processor."
            )
        return tuple(said)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is as it should be, and still worth knowing."""
        said = []
        if self.name == "pillow-simd" and self.version.startswith("12.1."):
            said.append(
                "pillow-simd 12.1 lacks the security fixes of Pillow 12.2 to 13.0; that is why "
                "only an allow-list of formats is ever decoded."
            )
        if self.simd is None:
            said.append("The build did not record its compiler switches: SIMD level unknown.")
        return tuple(said)

    def lines(self) -> list[str]:
        """What `comanda doctor` prints."""
        rows = [("PIL", f"{self.name} {self.version} ({self.simd or 'SIMD level unknown'})")]
        rows += [(codec, self.codecs.get(codec, "no")) for codec in ("jpeg", "png", "webp", "avif")]
        rows += [("colour", f"Little CMS {self.lcms2}" if self.lcms2 else "no")]
        rows += [("warning", sentence) for sentence in self.warnings]
        rows += [("note", sentence) for sentence in self.notes]
        return [f"{label:<8} {text}" for label, text in rows]


def describe() -> Engine:
    """The engine of this process; takes some milliseconds, for it reads PIL's C module."""
    loaded = Path(_imaging.__file__)
    contents = loaded.read_bytes()
    candidates = _installed()
    name = _owner(candidates, loaded, contents)
    return Engine(
        name=name,
        version=PIL.__version__,
        simd="scalar" if name == "pillow" else _recorded_level(contents),
        codecs=_codecs(),
        lcms2=features.version("littlecms2"),
        processor_has_avx2=_processor_has_avx2(),
        rival=next((f"{n} {d.version}" for n, d in candidates.items() if n != name), None),
    )


def _installed() -> dict[Name, metadata.Distribution]:
    found: dict[Name, metadata.Distribution] = {}
    names: tuple[Name, ...] = ("pillow-simd", "pillow")
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.distribution(name)
    return found


def _owner(candidates: Mapping[Name, metadata.Distribution], loaded: Path, contents: bytes) -> Name:
    """Whose RECORD holds the hash of the loaded C module; without any, what the version says."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).rstrip(b"=").decode()
    for name, distribution in candidates.items():
        for file in distribution.files or ():
            if file.name == loaded.name and file.hash and file.hash.value == digest:
                return name
    return "pillow-simd" if ".post" in PIL.__version__ else "pillow"


def _recorded_level(contents: bytes) -> Simd | None:
    """From the switches that -frecord-gcc-switches leaves in the object (`.GCC.command.line`)."""
    if re.search(rb"-mavx2\b|-march=x86-64-v[34]\b", contents):
        return "avx2"
    return "sse4" if b"-msse4" in contents else None


def _codecs() -> dict[str, str]:
    found = {}
    if features.check("jpg"):
        turbo = features.version("libjpeg_turbo")
        found["jpeg"] = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    if features.check("zlib"):
        ng = features.version("zlib_ng")
        found["png"] = f"zlib-ng {ng}" if ng else f"zlib {features.version('zlib')}"
    if features.check("webp"):
        found["webp"] = f"libwebp {features.version('webp')}"
    if features.check("avif"):
        found["avif"] = f"libavif {features.version('avif')}"
    else:
        with contextlib.suppress(ImportError):
            from pillow_avif import _avif

            found["avif"] = f"libavif {_avif.libavif_version} of pillow-avif-plugin"
    return found


def _processor_has_avx2() -> bool:
    try:
        return re.search(r"\bavx2\b", Path("/proc/cpuinfo").read_text()) is not None
    except OSError:
        return False  # not Linux, where pillow-simd is not built by us either
