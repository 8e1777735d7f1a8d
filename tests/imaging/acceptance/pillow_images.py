"""The test pictures of Pillow: five hundred odd, old, broken and hostile files of our formats."""

import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

VERSION = "13.0.0"
_SHA256 = "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510"
_FOLDER = "/Tests/images/"
_SECONDS = 300


class UnavailableError(Exception):
    """Pillow's source distribution is neither here nor to be had."""


def source_distribution(folder: Path) -> Path:
    """Pillow's source distribution in `folder`, fetched if it is not there.

    Its pictures have many licences, so they are not ours to commit. Raises UnavailableError.
    """
    archive = folder / f"pillow-{VERSION}.tar.gz"
    if not archive.exists():
        _download(folder)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
        archive.unlink()
        raise UnavailableError(f"{archive.name} was not what it should be, and is removed.")
    return archive


def pictures(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each test picture, whatever its format."""
    with tarfile.open(archive) as members:
        for member in members:
            _, inside, name = member.name.partition(_FOLDER)
            if inside and member.isfile() and (opened := members.extractfile(member)):
                yield name, opened.read()


def _download(folder: Path) -> None:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"pillow=={VERSION} --hash=sha256:{_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    # Another PIL on the path is what is tested, and nothing to pip.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        subprocess.run(
            [*pip, "--no-binary", "pillow", "--requirement", wanted, "--dest", folder],
            check=True, capture_output=True, text=True, timeout=_SECONDS, env=environment,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["it did not say why"]
        raise UnavailableError(f"pip could not fetch Pillow's source: {said[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"pip did not fetch Pillow's source in {_SECONDS} s.") from error
