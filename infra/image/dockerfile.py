"""A Dockerfile's steps as directory trees and chroots: as much of the format as ours has.

Needs root, for `chroot` and mounts, which are gone with the process that made them.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

# The machine's own way to packages and names, as an engine would give. It is copied: what is built
# in there runs as root, and writes where it likes.
_LENT: Final = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/apt/apt.conf.d",
    "/etc/apt/sources.list.d",
)
_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
# Where no package of Debian's makes it anew.
_LENT_BUNDLE: Final = "/run/lent-certificates.crt"
_BUNDLE_VARIABLES: Final = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_LENT_VARIABLES: Final = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SCRATCH: Final = "/tmp"  # noqa: S108
_SHARED: Final = "/dev/shm"  # noqa: S108
_IGNORED: Final = frozenset({"EXPOSE"})


class StepError(Exception):
    """A step is not one of those that are known, or did not succeed."""


@dataclass
class Stage:
    """A tree, and what is set for what runs in it."""

    tree: Path
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    commands: dict[str, list[str]] = field(default_factory=dict)
    """ENTRYPOINT, CMD and HEALTHCHECK."""

    def command(
        self, argv: list[str], environment: Mapping[str, str], *, serves: bool = False
    ) -> list[str]:
        """How `argv` is run in here: as root where it is built; or, where it `serves`, as who it is
        said to be, on a root that cannot be written to, with a /tmp of its own.
        """
        tree = shlex.quote(str(self.tree))
        steps = [f"mount --bind {tree} {tree}"]
        if serves:
            steps.append(f"mount -o remount,ro,bind {tree}")
            steps.append(f"mount -t tmpfs tmpfs {tree}{_SCRATCH}")
        steps += self._own_devices(tree)
        settings = {"PATH": _PATH, **self.environment, **environment}
        words = shlex.join([*(f"{name}={value}" for name, value in settings.items()), *argv])
        inside = f"cd {shlex.quote(self.directory)} && exec /usr/bin/env -i {words}"
        who = f"--userspec={self.user}" if serves else ""
        steps.append(f"exec chroot {who} {tree} /bin/sh -c {shlex.quote(inside)}")
        return ["unshare", "--mount", "/bin/sh", "-c", " && ".join(steps)]

    def _own_devices(self, tree: str) -> Iterator[str]:
        """Nothing of the machine's own is mounted but what is read there anyway."""
        yield f"mount -t proc -o ro proc {tree}/proc"
        yield f"mount -t tmpfs tmpfs {tree}/dev"
        for each in _DEVICES:
            yield f"touch {tree}/dev/{each} && mount --bind /dev/{each} {tree}/dev/{each}"
        yield f"mkdir -m 1777 {tree}{_SHARED} && mount -t tmpfs tmpfs {tree}{_SHARED}"

    def lend(self) -> dict[str, str]:
        """Copy the machine's way to packages into the tree; the variables that belong to it."""
        for each in filter(os.path.exists, _LENT):
            if Path(each).is_dir():
                shutil.copytree(each, self.tree / each[1:], dirs_exist_ok=True)
            else:
                shutil.copy(each, self.tree / each[1:])
        lent = {
            variable: value
            for variable, value in os.environ.items()
            if _LENT_VARIABLES.fullmatch(variable)
        }
        if not Path(_BUNDLE).exists():
            return lent
        shutil.copy(_BUNDLE, self.tree / _LENT_BUNDLE[1:])
        return lent | dict.fromkeys(_BUNDLE_VARIABLES, _LENT_BUNDLE)


class Build:
    """The stages of a Dockerfile, made one after another under `home`."""

    def __init__(self, context: Path, base: Path, home: Path) -> None:
        self._context = context
        self._base = base
        self._home = home
        self._stages: dict[str, Stage] = {}

    def run(self) -> Iterator[tuple[str, Stage]]:
        """Each step when it is done, and the stage that it is a part of."""
        stage: Stage | None = None
        for step in steps((self._context / "Dockerfile").read_text("utf-8")):
            name, _, rest = step.partition(" ")
            if name == "ARG":
                continue
            if name == "FROM":
                stage = self._begin(rest)
            elif stage is None:
                raise StepError(f"{step} comes before any FROM")
            else:
                self._take(stage, name, rest)
            yield step, stage

    def _begin(self, rest: str) -> Stage:
        name = rest.rpartition(" AS ")[2] if " AS " in rest else "last"
        tree = self._home / name
        _run(["cp", "-ax", "--reflink=auto", str(self._base), str(tree)])
        self._stages[name] = Stage(tree)
        return self._stages[name]

    def _take(self, stage: Stage, name: str, rest: str) -> None:
        if name == "WORKDIR":
            stage.directory = rest
            (stage.tree / rest[1:]).mkdir(parents=True, exist_ok=True)
        elif name == "ENV":
            stage.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
        elif name == "USER":
            stage.user = rest
        elif name == "COPY":
            self._copy(stage, shlex.split(rest))
        elif name == "RUN":
            _run(stage.command(["/bin/sh", "-c", rest], stage.lend()))
        elif name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            stage.commands[name] = json.loads(rest[rest.index("[") :])
        elif name not in _IGNORED:
            raise StepError(f"{name} is not known here")

    def _copy(self, stage: Stage, words: list[str]) -> None:
        *sources, target = [each for each in words if not each.startswith("--from=")]
        place = stage.tree / os.path.join(stage.directory, target)[1:]
        place.mkdir(parents=True, exist_ok=True)
        if (option := words[0]).startswith("--from="):
            other = self._stages[option.removeprefix("--from=")]
            (source,) = sources
            _run(["cp", "-a", f"{other.tree}{source}/.", str(place)])
            return
        for name in self._files():
            (source,) = sources
            if source == ".":
                copy = place / name
            elif name == source:
                copy = place / Path(name).name
            else:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._context / name, copy)

    def _files(self) -> Iterator[str]:
        """The context: what is under version control, but for what .dockerignore names."""
        given = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(
            given, cwd=self._context, capture_output=True, text=True, check=True
        ).stdout
        rules = (self._context / ".dockerignore").read_text("utf-8").split()
        for name in listed.splitlines():
            if (self._context / name).is_file() and not is_ignored(name, rules):
                yield name


def steps(text: str) -> Iterator[str]:
    """The instructions of a Dockerfile, each on one line."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    yield from (line.strip() for line in joined.splitlines() if line.strip())


def is_ignored(name: str, rules: list[str]) -> bool:
    """Whether .dockerignore leaves a file out: the last rule that fits it, or what it is in."""
    ignored = False
    parts = PurePath(name).parts
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        candidates = parts if "**/" in rule else above
        if any(fnmatch.fnmatchcase(each, pattern) for each in candidates):
            ignored = not rule.startswith("!")
    return ignored


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StepError(f"{command[-1][-200:]}\n{(done.stdout + done.stderr)[-4000:]}")
