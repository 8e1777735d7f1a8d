"""Terraform on a copy of infra/terraform, with the provider that needs no AWS."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[3]
TOOLS: Final = ROOT / ".tools" / "terraform"
_SETTINGS: Final = TOOLS / "terraformrc"
_SECONDS: Final = 300

SECRETS: Final = {
    "token_secret": "t0ken-secret-of-forty-characters-or-more",
    "picture_keys": "a:" + "5ec2e7" * 11,
    "database_superuser_password": "superuser-secret",
    "database_password": "application-secret",
    "redis_password": "redis-secret-of-many",
}

Values = dict[str, Any]


class Breach(NamedTuple):
    """A change of the code, below infra/terraform, that somebody has to notice."""

    file: str
    before: str
    after: str


class Said(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    output: str


class State:
    """What there is after an apply: resources, data and outputs."""

    def __init__(self, shown: Values) -> None:
        self.text = json.dumps(shown)
        self.outputs = {name: each["value"] for name, each in shown["values"]["outputs"].items()}
        self._all = list(_resources(shown["values"]["root_module"]))

    def of(self, kind: str, module: str = "") -> list[Values]:
        """The values of all resources of a type, in a module and those below it."""
        return [
            each["values"]
            for each in self._all
            if each["type"] == kind and f".{module}" in f".{each['address']}"
        ]

    def only(self, kind: str, module: str = "") -> Values:
        """The values of the only resource of a type."""
        (found,) = self.of(kind, module)
        return found

    def managed(self) -> Iterator[tuple[str, Values]]:
        """Address and values of every resource that is ours."""
        return ((e["address"], e["values"]) for e in self._all if e["mode"] == "managed")


def _resources(module: Values) -> Iterator[Values]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def missing() -> str | None:
    """Why there is no Terraform to test with, or None."""
    if not _SETTINGS.exists() or _binary() is None:
        return "no Terraform, or not set up: make infra-test brings both along"
    return None


def _binary() -> str | None:
    return shutil.which("terraform", path=f"{os.environ['PATH']}:{TOOLS / 'bin'}")


class Workbench:
    """A copy of infra/terraform, which may be broken."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "infra" / "terraform"
        ignored = shutil.ignore_patterns(
            ".terraform*", "*.tfstate*", "*.tfvars", "provider", "__pycache__"
        )
        shutil.copytree(ROOT / "infra" / "terraform", self._root, ignore=ignored)
        shutil.copytree(ROOT / "cdn" / "edge", directory / "cdn" / "edge")
        for stack in (self._root / "stacks").iterdir():
            # The state stays here, and what an operator would say is what the example says.
            (stack / "here_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
            shutil.copy(stack / "terraform.tfvars.example", stack / "terraform.tfvars")

    def breach(self, breach: Breach) -> None:
        """Break the copy. It is an error if there is not exactly one such place."""
        file = self._root / breach.file
        text = file.read_text(encoding="utf-8")
        assert text.count(breach.before) == 1, f"{breach} fits {text.count(breach.before)} places"
        file.write_text(text.replace(breach.before, breach.after), encoding="utf-8")

    def run(self, directory: str, *command: str) -> Said:
        """`terraform COMMAND` in a directory below infra/terraform."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._root),
            "TF_CLI_CONFIG_FILE": str(_SETTINGS),
            "TF_IN_AUTOMATION": "1",
            **{f"TF_VAR_{name}": value for name, value in SECRETS.items()},
        }
        done = subprocess.run(
            [str(_binary()), *command],
            cwd=self._root / directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout)

    def ready(self, directory: str) -> None:
        """`terraform init`."""
        said = self.run(directory, "init", "-no-color", "-input=false")
        assert said.code == 0, said.output

    def applied(self, stack: str) -> State:
        """What a stack comes to, made from nothing."""
        self.ready(stack)
        said = self.run(stack, "apply", "-auto-approve", "-no-color", "-input=false")
        assert said.code == 0, said.output
        return State(json.loads(self.run(stack, "show", "-json").output))
