"""Who PostgreSQL runs as: it refuses root, and root is what a container gives us."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.failure import StackError

_UNPRIVILEGED = "nobody"
SYSTEM_HOME = Path("/var/lib")
SYSTEM_PREFIX = "comanda-"
_PROBE_SECONDS = 20


@dataclass(frozen=True)
class Account:
    """The user the database's processes and files belong to, and the way to become them."""

    uid: int
    gid: int
    binaries: Path  # the directory of initdb, postgres and the others, as this user sees it
    home: Path  # the directory in which `postgres` lies, or will lie
    switches: bool = False  # setuid, through Popen
    prefix: tuple[str, ...] = ()  # a program that makes the change before it runs ours

    @property
    def owner(self) -> tuple[int, int]:
        return self.uid, self.gid

    def popen_options(self) -> dict[str, Any]:
        if not self.switches:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def adopt(self, tree: Path) -> None:
        """Make `tree` this account's, if we may; a directory of another user is an error."""
        if not tree.exists() or tree.stat().st_uid == self.uid:
            return
        if os.geteuid() != 0:
            raise foreign(tree)
        # The top comes last: its owner then says that all below it was done.
        for folder, _, files in os.walk(tree, topdown=False):
            for name in files:
                os.chown(Path(folder, name), *self.owner, follow_symlinks=False)
            os.chown(folder, *self.owner)

    def succeeds(self, *argv: str) -> bool:
        """Whether a harmless program runs well as this account."""
        try:
            outcome = subprocess.run(
                [*self.prefix, *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                timeout=_PROBE_SECONDS,
                check=False,
                **self.popen_options(),
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return outcome.returncode == 0

    def runs_postgres(self) -> bool:
        return self.succeeds(str(self.binaries / "postgres"), "--version")

    def can_own_files_in(self, directory: Path) -> bool:
        """Try it: parents it may not enter, mounts that refuse chown, all count."""
        try:
            probe = Path(tempfile.mkdtemp(prefix=".probe-", dir=directory))
        except OSError:
            return False
        try:
            os.chown(probe, *self.owner)
            return self.succeeds("test", "-w", str(probe))
        except OSError:
            return False
        finally:
            probe.rmdir()


def choose(data: Path, installed: Path, instance: str, system_home: Path = SYSTEM_HOME) -> Account:
    """The account for the data directory `data` and the binaries in `installed`/bin.

    An ordinary user is their own account. For root, in this order: setuid to `nobody`; a
    user namespace in which root's files look like nobody's (nothing to copy or chown, but
    Docker forbids it); else files and, if need be, binaries under `system_home`, in a
    directory named after `data` and `instance`. No parent directory is ever opened up.
    """
    binaries = installed / "bin"
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), binaries, data)
    uid, gid = _unprivileged()
    direct = Account(uid, gid, binaries, data, switches=True)
    cluster = data / "postgres"
    if cluster.is_symlink():
        return _elsewhere(direct, installed, cluster.resolve().parent)
    namespaced = Account(0, 0, binaries, data, prefix=_namespace(uid, gid))
    for account in (direct, namespaced):
        if account.runs_postgres() and account.can_own_files_in(data):
            return account
    if cluster.exists():
        raise StackError(
            f"PostgreSQL does not run as root, nor can another account use {data} any more.",
            "Undo what changed: the permissions above that directory or above the Python "
            "environment, or user namespaces that were allowed.",
        )
    return _elsewhere(direct, installed, system_home / _system_name(data, instance))


def foreign(path: Path) -> StackError:
    """A part of the data directory belongs to another user."""
    uid = path.stat().st_uid
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"user {uid}"
    return StackError(
        f"{path} belongs to {owner}, and you are user {os.geteuid()}.",
        f"Run as {owner}, or choose another data directory.",
    )


def _unprivileged() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError as error:
        # initdb refuses a uid without an entry, so any number would not do.
        raise StackError(
            f"PostgreSQL does not run as root, and there is no account {_UNPRIVILEGED} here.",
            "Run as an ordinary user.",
        ) from error
    return entry.pw_uid, entry.pw_gid


def _namespace(uid: int, gid: int) -> tuple[str, ...]:
    # It execs in place: the process id we see is the server's, and the leash stays on.
    return ("unshare", "--user", f"--map-user={uid}", f"--map-group={gid}")


def _system_name(data: Path, instance: str) -> str:
    return SYSTEM_PREFIX + hashlib.sha256(f"{data}\0{instance}".encode()).hexdigest()[:12]


def _elsewhere(direct: Account, installed: Path, home: Path) -> Account:
    """Keep the database where `nobody` can reach it, under root's own /var/lib."""
    try:
        home.mkdir(mode=0o711, exist_ok=True)
        binaries = direct.binaries if direct.runs_postgres() else _copy(installed, home)
        account = Account(direct.uid, direct.gid, binaries, home, switches=True)
        reachable = account.runs_postgres() and account.can_own_files_in(home)
    except OSError as error:
        raise StackError(
            f"PostgreSQL does not run as root, and {home} cannot be used: {error.strerror}.",
            "Run as an ordinary user.",
        ) from error
    if not reachable:
        raise StackError(
            f"PostgreSQL does not run as root, nor as {_UNPRIVILEGED} in {home}.",
            "Run as an ordinary user.",
        )
    return account


def _copy(installed: Path, home: Path) -> Path:
    """Copy the binaries once per version, as deep as they were: the rpath counts on it."""
    version = hashlib.sha256(str((installed / "bin/postgres").stat().st_mtime_ns).encode())
    servers = home / f"servers-{version.hexdigest()[:8]}"
    package, install = installed.parent.name, installed.name
    if not servers.exists():
        draft = home / f"{servers.name}.partial"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(installed, draft / package / install, symlinks=True)
        libraries = installed.parent.with_name(f"{package}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for folder, _, files in os.walk(draft):
            for path in (Path(folder), *(Path(folder, name) for name in files)):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o055)
        draft.rename(servers)
    return servers / package / install / "bin"
