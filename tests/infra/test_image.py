"""The container image, as far as it is known without building it (`make image-proof` does that)."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from infra.image.dockerfile import Stage, is_ignored, steps
from tests.infra.kubernetes.manifests import SERVERS, container, manifests
from tests.infra.tools import ROOT, python_tool

DOCKERFILE = ROOT / "Dockerfile"


def said(instruction: str) -> str:
    """The last one of its kind."""
    found = [each for each in steps(DOCKERFILE.read_text()) if each.startswith(f"{instruction} ")]
    return found[-1].removeprefix(f"{instruction} ")


def test_the_image_does_by_itself_what_its_pods_say() -> None:
    for name, template in manifests("production").pods():
        around = template["spec"]["securityContext"]
        assert said("USER") == f"{around['runAsUser']}:{around['runAsGroup']}", name
        if name in SERVERS:
            args = ", ".join(f'"{each}"' for each in container(template)["args"])
            assert said("CMD") == f"[{args}]"


def test_the_image_is_given_what_is_installed_and_nothing_else() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = [f"{each}/__init__.py" for each in packages]
    needed += ["pyproject.toml", "README.md", "LICENSE", "requirements/image.lock"]
    needed += ["infra/local/setup.sh", "cdn/ladder.json", "bff/gallery/index.html"]
    assert [each for each in needed if is_ignored(each, rules)] == []
    others = ["tests/conftest.py", ".git/config", ".venv/bin/python", ".comanda/secrets.json"]
    others += ["bff/__pycache__/app.pyc", "benchmarks/page.py", "infra/terraform/x.tf", ".tools/x"]
    assert [each for each in others if not is_ignored(each, rules)] == []
    assert all((ROOT / each).exists() for each in needed)


def test_what_is_built_as_root_can_write_to_nothing_of_the_machines(tmp_path: Path) -> None:
    script = Stage(tmp_path).command(["true"], {})[-1]
    bound = re.findall(r"mount --r?bind (\S+)", script)
    # Devices that hold nothing, and the tree itself.
    nodes = {f"/dev/{each}" for each in ("null", "zero", "full", "random", "urandom")}
    assert set(bound) == {str(tmp_path), *nodes}
    assert re.findall(r"mount -t proc (.*?) proc", script) == ["-o ro"]


@pytest.mark.infra
def test_hadolint_has_nothing_to_say_and_would_have(tmp_path: Path) -> None:
    program = python_tool("hadolint")

    def judged(text: str) -> int:
        file = tmp_path / "Dockerfile"
        file.write_text(text)
        return subprocess.run([str(program), str(file)], capture_output=True).returncode

    text = DOCKERFILE.read_text()
    assert judged(text) == 0
    for said, instead in (
        ("RUN sh infra/image/system.sh build", "RUN cd /tmp && apt-get install python3"),
        ("COPY . .", "ADD . ."),
        ("WORKDIR /comanda", "WORKDIR comanda"),
        ('CMD ["serve", "--host"', 'CMD serve "--host"'),
        ("# hadolint ignore=DL3006\nFROM ${BASE} AS build", "FROM debian:latest AS build"),
        ("&& sh infra/image/finish.sh", "&& sudo sh infra/image/finish.sh"),
    ):
        assert said in text
        assert judged(text.replace(said, instead)) != 0, instead
