"""The embedded stack keeps its promises: real servers, no orphans, no lost rows, clear errors."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import boto3
import httpx
import pytest
import redis

from infra.local import account, ledger
from infra.local.addresses import Addresses, Given
from infra.local.control import down, status
from infra.local.data_directory import DataDirectory
from infra.local.failure import StackError
from infra.local.ports import Ports, is_free
from infra.local.postgres import Cluster, installed_postgres
from infra.local.process import Identity
from infra.local.stack import Limits, Stack
from infra.local.supervisor import Phase, Supervisor
from infra.local.valkey import Valkey

ROOT = Path(__file__).parents[2]
SEARCHED = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
PATIENCE_SECONDS = 60.0
# Where there is room, the files of these short-lived servers need not touch a disk.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
MEMORY = (
    SHARED_MEMORY
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > 2_000_000_000
    else None
)
REPLICAS = ("replica1", "replica2", "replica3")
EVERYTHING_GIVEN = Given(
    database_url="postgresql://elsewhere/comanda",
    redis_url="redis://elsewhere",
    s3_endpoint="http://elsewhere",
)
ONLY_POSTGRES = Given(redis_url="redis://elsewhere", s3_endpoint="http://elsewhere")

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root has an account to choose")

SUPERVISOR = """
import json, sys
from infra.local.stack import Stack
with Stack(sys.argv[1], fast=True) as stack:
    addresses = stack.start()
    stack.wait_for_replicas()
    print(json.dumps(addresses.environment()), flush=True)
    stack.supervise()
"""


# --- tools -----------------------------------------------------------------------------


@contextmanager
def a_place() -> Iterator[Path]:
    """A data directory that another account can reach, gone without a trace afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="comanda-test-", dir=MEMORY))
    parent.chmod(0o755)
    try:
        yield parent / "data"
    finally:
        DataDirectory(parent / "data").erase(lambda _: None)
        shutil.rmtree(parent)


@pytest.fixture
def place() -> Iterator[Path]:
    with a_place() as path:
        yield path


class Running:
    """A started stack with what it reported."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.reports: list[str] = []
        self.stack = Stack(place, self.reports.append, fast=True)
        self.addresses = self.stack.start()

    def until(self, condition: Callable[[], bool]) -> None:
        """Look after the stack until something has come about."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.reports
            self.stack.poll()
            time.sleep(0.02)

    def pid(self, role: str) -> int:
        return next(each.pid for each in status(self.place).processes if each.role == role)

    def kill(self, role: str) -> None:
        os.kill(self.pid(role), signal.SIGKILL)

    def all_stream(self) -> bool:
        return self.stack.streaming == set(REPLICAS)

    def said(self, words: str) -> bool:
        return any(words in report for report in self.reports)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One stack for the tests that only look, or that break what then has to be mended."""
    with a_place() as path:
        path.mkdir()
        half_made = path / "postgres.partial" / "primary"
        half_made.mkdir(parents=True)
        (half_made / "PG_VERSION").write_text("18\n")
        it = Running(path)
        try:
            yield it
        finally:
            it.stack.stop()


@contextmanager
def supervised(place: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A stack in a process of its own, with the addresses it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(place)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SEARCHED},
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def sql(url: str, statement: str, *arguments: object) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(ask())


def s3(addresses: Addresses) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=addresses.s3_endpoint,
        aws_access_key_id=addresses.s3_access_key,
        aws_secret_access_key=addresses.s3_secret_key,
        region_name="us-east-1",
    )


@contextmanager
def cut_off(running: Running) -> Iterator[None]:
    """The first standby does not stream meanwhile, and does not come back either."""
    receiver = sql(running.addresses.replica_urls[0], "select pid from pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        sql(
            running.addresses.database_url,
            "select pg_terminate_backend(pid, 5000) from pg_stat_replication"
            " where application_name = 'replica1'",
        )
        yield
    finally:
        os.kill(receiver, signal.SIGCONT)


def living_in(place: Path) -> set[int]:
    """The processes that were started on a data directory or work in it."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            alive = Identity.of(int(process.name)) is not None
            words = process.joinpath("cmdline").read_bytes()
            where = os.readlink(process / "cwd")
        except OSError:
            continue
        if alive and (str(place).encode() in words or where.startswith(str(place))):
            found.add(int(process.name))
    return found - {os.getpid()}


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


# --- what a running stack gives --------------------------------------------------------


def test_a_row_written_on_the_primary_is_read_on_three_standbys(running: Running) -> None:
    running.until(running.all_stream)
    sql(running.addresses.database_url, "create table streamed as select 42 as answer")
    for url in running.addresses.replica_urls:
        running.until(lambda url=url: sql(url, "select to_regclass('streamed')") is not None)  # type: ignore[misc]
        assert sql(url, "select pg_is_in_recovery()")
        assert sql(url, "select answer from streamed") == 42


def test_the_cluster_speaks_unicode_and_can_emit_fences(running: Running) -> None:
    url = running.addresses.database_url
    assert sql(url, "select lower('ÁÉÑ')") == "áéñ"
    assert sql(url, "select pg_logical_emit_message(false, 'comanda', '') > '0/0'")


def test_a_half_made_cluster_is_made_again(running: Running) -> None:
    assert running.said("half-made")
    assert not (running.place / "postgres.partial").exists()


def test_valkey_keeps_strangers_out_and_takes_commands(running: Running) -> None:
    with redis.Redis.from_url(running.addresses.redis_url) as client:
        assert client.set("soup", "lentil")
        assert client.get("soup") == b"lentil"
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    address = urlsplit(running.addresses.redis_url)
    anonymous = f"redis://{address.hostname}:{address.port}"
    with redis.Redis.from_url(anonymous) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_the_object_store_refuses_anonymous_requests_and_its_own_reset(running: Running) -> None:
    client = s3(running.addresses)
    client.create_bucket(Bucket="pictures")
    client.put_object(Bucket="pictures", Key="a/b", Body=b"x", ContentType="image/avif")
    endpoint = running.addresses.s3_endpoint
    assert httpx.get(f"{endpoint}/pictures/a/b").status_code == 403
    for reset in ("/_ministack/reset", "/%5Fministack/reset"):
        assert httpx.post(endpoint + reset).status_code == 404
    assert client.head_object(Bucket="pictures", Key="a/b")["ContentType"] == "image/avif"


@needs_proc
def test_no_password_shows_in_the_list_of_processes(running: Running) -> None:
    secrets = json.loads((running.place / "secrets.json").read_text())
    words = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in living_in(running.place)]
    assert len(words) > 4
    assert not [word for word in words for name in secrets if secrets[name].encode() in word]
    assert (running.place / "secrets.json").stat().st_mode & 0o077 == 0


@needs_proc
def test_every_port_is_on_loopback(running: Running) -> None:
    running.until(running.all_stream)  # the standbys listen later than the primary
    sockets = {
        os.readlink(descriptor)
        for pid in living_in(running.place)
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        if descriptor.is_symlink()
    }
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                listening.append(fields[1].split(":")[0])
    assert listening == ["0100007F"] * 6  # four nodes, Valkey, S3: 127.0.0.1


def test_status_names_every_process_and_the_state_of_replication(running: Running) -> None:
    running.until(running.all_stream)
    program = [sys.executable, "-c", "pass"]
    running.stack.add("drawing", program, {}, url="http://127.0.0.1:1", finite=True)
    found = status(running.place)
    assert found.running
    assert found.url == "http://127.0.0.1:1"
    alive = {each.role for each in found.processes if each.alive}
    assert alive >= {"supervisor", "primary", *REPLICAS, "valkey", "s3"}
    assert [(each.role, each.streams) for each in found.replication] == [
        (role, True) for role in REPLICAS
    ]


def test_a_second_start_on_a_running_directory_says_who_runs_it(running: Running) -> None:
    with pytest.raises(StackError, match=f"process {os.getpid()}"):
        Stack(running.place).start()
    assert status(running.place).running, "the refused one must not take the record away"


# --- what is mended --------------------------------------------------------------------


@pytest.mark.parametrize("role", ["valkey", "s3", "replica2", "primary"])
def test_a_killed_server_is_started_again(running: Running, role: str) -> None:
    running.until(running.all_stream)
    running.reports.clear()
    before = running.pid(role)
    running.kill(role)
    running.until(lambda: running.said("is back"))
    assert running.said("was ended by SIGKILL")
    assert running.pid(role) != before
    running.until(running.all_stream)


def test_a_promoted_standby_is_made_again_and_what_it_had_is_kept(running: Running) -> None:
    running.until(running.all_stream)
    running.reports.clear()
    url = running.addresses.replica_urls[2]
    sql(url, "select pg_promote()")
    running.until(lambda: running.said("it was promoted"))
    running.until(running.all_stream)
    assert sql(url, "select pg_is_in_recovery()")
    assert list((running.place / "postgres").glob("replica3.promoted-*"))


def test_a_dropped_slot_is_made_again(running: Running) -> None:
    running.until(running.all_stream)
    with cut_off(running):
        sql(running.addresses.database_url, "select pg_drop_replication_slot('replica1')")
    running.until(lambda: running.said("somebody dropped it"))
    running.until(running.all_stream)


def test_a_standby_that_fell_too_far_behind_is_made_again(running: Running) -> None:
    running.until(running.all_stream)
    running.reports.clear()
    primary, standby = running.addresses.database_url, running.addresses.replica_urls[0]
    for setting in ("max_slot_wal_keep_size", "wal_keep_size"):
        sql(primary, f"alter system set {setting} = '1MB'")
    sql(primary, "select pg_reload_conf()")
    with cut_off(running):
        for _ in range(3):
            sql(primary, "select pg_logical_emit_message(false, 'comanda', 'x'), pg_switch_wal()")
        sql(primary, "checkpoint")
        sql(primary, "alter system reset all")
        sql(primary, "select pg_reload_conf()")
    running.until(lambda: running.said("it fell too far behind"))
    running.until(running.all_stream)
    assert sql(standby, "select pg_is_in_recovery()")


@needs_proc
@pytest.mark.parametrize(
    "mode",
    [pytest.param(0o711, id="setuid"), pytest.param(0o700, id="namespace", marks=needs_root)],
)
def test_a_killed_supervisor_leaves_no_orphan_and_no_row_is_lost(place: Path, mode: int) -> None:
    place.mkdir()
    place.chmod(mode)
    with supervised(place) as (supervisor, first):
        url = first["COMANDA_DATABASE_URL"]
        sql(url, "create table kept as select 'soup' as dish")
        assert living_in(place)
        supervisor.kill()
        supervisor.wait()
    assert eventually(lambda: not living_in(place))

    # One standby is damaged besides and one is gone: no reason not to start.
    shutil.rmtree(place / "postgres" / "replica2" / "global")
    shutil.rmtree(place / "postgres" / "replica3")
    it = Running(place)
    try:
        assert it.addresses.environment() == first, "URLs stay the same from start to start"
        assert sql(url, "select dish from kept") == "soup"
        it.until(it.all_stream)
        assert sql(it.addresses.replica_urls[1], "select dish from kept") == "soup"
        assert sql(it.addresses.replica_urls[2], "select dish from kept") == "soup"
    finally:
        it.stack.stop()


@needs_proc
def test_down_stops_a_stack_from_another_process(place: Path) -> None:
    with supervised(place) as (supervisor, _):
        assert status(place).running
        assert down(place)
        assert supervisor.wait(PATIENCE_SECONDS) == 0
    assert not living_in(place)
    assert not status(place).running
    assert not down(place)


def test_a_port_taken_by_a_stranger_is_left_to_them(tmp_path: Path) -> None:
    remembered = Ports(tmp_path / "ports.json").take("valkey")
    assert Ports(tmp_path / "ports.json").take("valkey") == remembered
    with socket.create_server(("127.0.0.1", remembered)):
        other = Ports(tmp_path / "ports.json").take("valkey")
        assert other != remembered
        assert is_free(other)
    assert Ports(tmp_path / "ports.json").take("valkey") == other


class Unlucky(Ports):
    """Somebody takes the port after it was found free and before the server binds it."""

    def take(self, role: str) -> int:
        port = super().take(role)
        self.stranger = socket.create_server(("127.0.0.1", port))
        return port


def test_a_port_lost_to_a_race_is_chosen_again(tmp_path: Path) -> None:
    ports = Unlucky(tmp_path / "ports.json")
    valkey = Valkey(tmp_path / "valkey", tmp_path / "log", ports, "password", fast=True)
    lost = valkey.port
    supervisor = Supervisor(ledger.Ledger(tmp_path, print), print)
    with ports.stranger:
        watched = supervisor.launch(valkey)
        try:
            while watched.phase is not Phase.RUNNING:
                supervisor.poll()
        finally:
            supervisor.stop([])
    assert valkey.port != lost


# --- who is ours -----------------------------------------------------------------------


@pytest.mark.parametrize(("began", "spared"), [("another time", True), (None, False)])
def test_only_the_very_process_of_the_record_is_ended(
    place: Path, began: str | None, spared: bool
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        identity = Identity.of(stranger.pid)
        assert identity is not None
        entry = ledger.Entry(
            "valkey", stranger.pid, began or identity.began, 1, "2026-01-01", signal.SIGTERM
        )
        ledger.end_leftovers(ledger.Record(processes=(entry,)), lambda _: None)
        try:
            assert (stranger.poll() is None) is spared
        finally:
            stranger.kill()


def test_servers_that_are_given_are_not_started(place: Path) -> None:
    with Stack(place, given=EVERYTHING_GIVEN) as stack:
        addresses = stack.start()
        assert addresses.database_url == EVERYTHING_GIVEN.database_url
        assert Given.from_environment(addresses.environment()) == EVERYTHING_GIVEN
        assert [each.role for each in status(place).processes] == ["supervisor"]
        assert stack.wait_for_replicas()


def test_a_program_is_restarted_a_few_times_and_then_its_last_words_are_told(place: Path) -> None:
    reports: list[str] = []
    with Stack(place, reports.append, given=EVERYTHING_GIVEN) as stack:
        stack.start()
        program = "import sys; sys.exit('no such table')"
        stack.add("application", [sys.executable, "-c", program], {}, to_log=True, restarts=2)
        with pytest.raises(StackError, match="no such table"):
            stack.supervise()
    assert sum("Starting Application again" in report for report in reports) == 2


def test_a_finite_program_may_end_and_may_fail(place: Path) -> None:
    reports: list[str] = []
    with Stack(place, reports.append, given=EVERYTHING_GIVEN) as stack:
        stack.start()
        done, fails = "pass", "import sys; sys.exit(3)"
        stack.add("drawing", [sys.executable, "-c", done], {}, finite=True, restarts=0)
        stack.add("failing", [sys.executable, "-c", fails], {}, finite=True, restarts=0)
        while len(status(place).processes) > 1:
            stack.poll()
    assert len(reports) == 1
    assert reports[0].startswith("Failing ended with code 3")


# --- what is said when it cannot be ----------------------------------------------------


def a_file_in_the_way(place: Path) -> Stack:
    place.write_text("")
    return Stack(place / "below")


def a_full_disk(place: Path) -> Stack:
    return Stack(place, limits=Limits(fresh_bytes=10**18))


def lost_passwords(place: Path) -> Stack:
    (place / "postgres").mkdir(parents=True)
    return Stack(place)


def a_control_character(place: Path) -> Stack:
    return Stack(place / "new\nline")


def another_owner(place: Path) -> Stack:
    place.mkdir()
    (place / "secrets.json").write_text("{}")
    os.chown(place / "secrets.json", 12345, 12345)
    return Stack(place)


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (a_file_in_the_way, "Not a directory.*\nChoose another data directory"),
        (a_full_disk, "MB free; the stack needs.*\nFree some space"),
        (lost_passwords, "secrets.json is missing.*\nPut the file back"),
        (a_control_character, "control characters"),
        pytest.param(another_owner, "belongs to user 12345.*\nRun as", marks=needs_root),
    ],
)
def test_a_hopeless_start_says_what_to_do(
    place: Path, arrange: Callable[[Path], Stack], words: str
) -> None:
    with pytest.raises(StackError, match=words):
        arrange(place).start()
    if place.is_file():
        place.unlink()


def test_missing_wheels_are_named_with_the_way_to_install_them(place: Path) -> None:
    program = f"from infra.local.stack import Stack; Stack({str(place)!r}).start()"
    outcome = subprocess.run(
        [sys.executable, "-S", "-c", program],  # -S: no site-packages
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'pip install "comanda[local]"' in outcome.stderr


def test_a_cluster_of_another_version_is_not_touched(place: Path) -> None:
    primary = place / "postgres" / "primary"
    primary.mkdir(parents=True)
    (primary / "PG_VERSION").write_text("9\n")
    installed = installed_postgres()
    chosen = account.choose(place, installed, "instance")
    cluster = Cluster(chosen, Ports(place / "ports.json"), place, "password", replicas=0, fast=True)
    with pytest.raises(StackError, match="PostgreSQL 9 made the cluster"):
        cluster.open()


def test_a_new_cluster_is_put_on_disk_behind_its_first_use(place: Path) -> None:
    mark = place / "postgres" / "not-yet-on-disk"
    with Stack(place, given=ONLY_POSTGRES, replicas=0) as stack:
        stack.start()
        assert mark.exists()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while mark.exists():
            assert time.monotonic() < deadline
            stack.poll()
    mark.write_text("an earlier run of the machine")
    with pytest.raises(StackError, match="before the new cluster was safely on its disk"):
        Stack(place, given=ONLY_POSTGRES, replicas=0).start()


def test_fresh_deletes_what_was_there_and_begins_again(place: Path) -> None:
    with Stack(place, given=ONLY_POSTGRES, fast=True, replicas=0) as stack:
        sql(stack.start().database_url, "create table old as select 1")
    (place / "notes.txt").write_text("mine")
    with Stack(place, given=ONLY_POSTGRES, fast=True, fresh=True, replicas=0) as stack:
        assert sql(stack.start().database_url, "select to_regclass('old') is null")
    assert (place / "notes.txt").exists()


def test_a_server_that_cannot_start_is_quoted(place: Path) -> None:
    with Stack(place, given=ONLY_POSTGRES, fast=True, replicas=0) as stack:
        stack.start()
    with (place / "postgres" / "primary" / "postgresql.conf").open("a") as settings:
        settings.write("nonsense = 1\n")
    with pytest.raises(StackError, match="unrecognized configuration parameter"):
        Stack(place, given=ONLY_POSTGRES, fast=True, replicas=0).start()


# --- root ------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("way", ["setuid", "namespace", "elsewhere"])
def test_root_finds_an_account_and_the_same_directory_works_again(
    place: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_home = place.with_name("system")
    system_home.mkdir(mode=0o755)
    place.mkdir(mode=0o711)
    if way != "setuid":
        place.chmod(0o700)
    if way == "elsewhere":
        monkeypatch.setenv("PATH", str(only("test", "cp", directory=place.with_name("bin"))))
    chosen = account.choose(place, installed_postgres(), "instance", system_home)
    if way == "namespace" and not chosen.prefix:
        pytest.skip("user namespaces are forbidden here")
    assert (chosen.switches, bool(chosen.prefix), chosen.home != place) == (
        way != "namespace",
        way == "namespace",
        way == "elsewhere",
    )
    for expected in (None, 7):
        with Stack(
            place, given=ONLY_POSTGRES, fast=True, replicas=1, system_home=system_home
        ) as stack:
            url = stack.start().database_url
            assert stack.wait_for_replicas()
            assert sql(url, "select to_regclass('again') is null") is (expected is None)
            sql(url, "create table if not exists again as select 7")
    assert (place / "postgres").is_symlink() is (way == "elsewhere")


@needs_root
def test_root_keeps_its_rows_when_another_way_has_to_be_taken(place: Path) -> None:
    if not account.Account(0, 0, place, place, prefix=("unshare", "--user")).succeeds("true"):
        pytest.skip("user namespaces are forbidden here")
    place.mkdir()
    for mode, owner in ((0o711, "nobody"), (0o700, "root"), (0o711, "nobody")):
        place.chmod(mode)
        with Stack(place, given=ONLY_POSTGRES, fast=True, replicas=0) as stack:
            sql(stack.start().database_url, "create table if not exists kept as select 1")
        assert (place / "postgres").owner() == owner


@needs_root
def test_binaries_that_nobody_can_reach_are_copied_once(place: Path) -> None:
    place.mkdir(mode=0o700)
    hidden = place / "environment"
    hidden.mkdir()
    package = installed_postgres().parent
    (hidden / package.name).symlink_to(package)
    (hidden / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
    installed = hidden / package.name / "pginstall"
    system_home = place.with_name("system")
    system_home.mkdir(mode=0o755)
    # A stranger to the namespace as well: the directory belongs to somebody else.
    os.chown(place, 12345, 12345)
    first = account.choose(place, installed, "instance", system_home)
    assert first.binaries.is_relative_to(system_home)
    assert first.runs_postgres()
    assert account.choose(place, installed, "instance", system_home) == first


def only(*programs: str, directory: Path) -> Path:
    """A PATH with these programs and no others, in particular without unshare."""
    directory.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found
        (directory / program).symlink_to(found)
    return directory
