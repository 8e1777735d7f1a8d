"""An app's client is generated from the description, and its types fit what an app does."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients_page import components

HERE = Path(__file__).parent
PROJECT = HERE / "typescript"
# What npm says where there is no network.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")


@pytest.fixture
def npm() -> str:
    found = shutil.which("npm")
    if found is None:
        pytest.skip("npm is not installed, so no client is generated")
    return found


def test_a_generated_client_is_type_checked_against_an_app(npm: str, tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "app.ts"):
        shutil.copy(PROJECT / name, tmp_path)

    def run(*command: str) -> None:
        done = subprocess.run(
            [npm, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr
        if any(code in told for code in UNREACHABLE):
            pytest.skip("npm reaches no registry, so no client is generated")
        assert done.returncode == 0, told

    run("ci", "--ignore-scripts")
    described = str(HERE / "openapi.json")
    run("exec", "--offline", "openapi-typescript", "--", described, "--output", "api.d.ts")
    run("exec", "--offline", "tsc", "--", "--project", ".")
    # What docs/clients.md has for React Native is read by the same compiler, if nothing else.
    for number, code in enumerate(components()):
        (tmp_path / f"{number}.jsx").write_text(code)
    files = sorted(path.name for path in tmp_path.glob("*.jsx"))
    assert files
    run("exec", "--offline", "tsc", "--", "--noEmit", "--allowJs", "--jsx", "preserve", *files)
