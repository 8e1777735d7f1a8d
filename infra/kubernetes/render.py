"""What kustomize makes of an overlay."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Final

from infra.local.debian import TOOLS

OVERLAYS: Final = Path(__file__).with_name("overlays")
# Where `make infra-test` puts one, where there is none.
_FETCHED: Final = TOOLS / "infra" / "bin"


@functools.cache
def rendered(overlay: str) -> str | None:
    """All of an overlay, as YAML; None where there is nothing that renders it."""
    for program, command in (("kustomize", "build"), ("kubectl", "kustomize")):
        found = shutil.which(program) or shutil.which(program, path=str(_FETCHED))
        if found is not None:
            given = [found, command, str(OVERLAYS / overlay)]
            return subprocess.run(given, capture_output=True, text=True, check=True).stdout
    return None
