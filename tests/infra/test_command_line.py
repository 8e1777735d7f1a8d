"""`comanda up` from nothing to a picture, through a kill -9 and back, as root and as anybody."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import asyncpg
import httpx
import pytest
from click.testing import CliRunner
from PIL import Image

from bff import launch
from bff.cli import main
from bff.launch import saved_environment
from infra.demo import loader
from infra.demo.campus import PASSWORD
from infra.edge.nginx import engine
from infra.local import control
from infra.local.failure import StackError
from infra.local.stack import Stack
from tests.serving import free_port

NOBODY = "nobody"
ROOT = Path(__file__).parents[2]


class CommandLine:
    """`comanda` in a data directory of its own, run as somebody."""

    def __init__(self, user: str | None) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="comanda-up-"))
        self.data.chmod(0o755)
        self.output = Path(f"{self.data}.output")
        self._user = user
        if user:
            shutil.chown(self.data, user, pwd.getpwnam(user).pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self, output: Path, *arguments: str) -> "subprocess.Popen[bytes]":
        """What it says goes to a file, where nobody has to read it for it to go on."""
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("COMANDA_")}
        account: dict[str, object] = {}
        if self._user:
            entry = pwd.getpwnam(self._user)
            account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with output.open("wb") as written:
            return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
                [sys.executable, "-m", "bff", *arguments, "--data", str(self.data)],
                env={**inherited, "HOME": str(self.data), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account,
            )

    def run(self, *arguments: str) -> tuple[int, str]:
        output = Path(f"{self.data}.answer")
        code = self.start(output, *arguments).wait(120)
        words = output.read_text()
        output.unlink()
        return code, words

    def up(self) -> "subprocess.Popen[bytes]":
        """Returns when the first picture was served and the replicas stream."""
        edge = ["--edge"] if engine() else []
        asked = ["up", "--orders", "60", "--port", str(self.port), *edge]
        process = self.start(self.output, *asked)
        while not re.search(r"\d replicas stream", self.output.read_text()):
            if process.poll() is not None:
                pytest.fail(
                    f"comanda up ended with {process.returncode}:\n{self.output.read_text()}"
                )
            time.sleep(0.05)
        return process

    def get(self, path: str, at: str = "", **headers: str) -> httpx.Response:
        place = at or f"http://127.0.0.1:{self.port}"
        answer = httpx.get(f"{place}{path}", headers=headers, timeout=30)
        return answer.raise_for_status()

    def post(self, path: str, body: object, **headers: str) -> dict[str, object]:
        url = f"http://127.0.0.1:{self.port}{path}"
        answer = httpx.post(url, json=body, headers=headers, timeout=30)
        return dict(answer.raise_for_status().json())

    def edges(self) -> list[str]:
        """Where nginx stands in for CloudFront; nowhere, if there is none."""
        return re.findall(r"edge \d +(http\S+)", self.output.read_text())

    def processes(self) -> list[str]:
        """The command lines that name the data directory, ours aside."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    environment = (entry / "environ").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if str(self.data) in command + environment:
                    found.append(f"{entry.name}: {command}")
        return found

    def wait_until_alone(self, seconds: float = 20.0) -> list[str]:
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def reachable_by(user: str) -> bool:
    """Whether the account may run this very interpreter and import the project."""
    entry = pwd.getpwnam(user)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", "import bff.cli, infra"],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return tried.returncode == 0


@contextmanager
def command_line(user: str | None) -> Iterator[CommandLine]:
    made = CommandLine(user)
    try:
        yield made
    finally:
        made.run("down")
        shutil.rmtree(made.data, ignore_errors=True)
        made.output.unlink(missing_ok=True)


@pytest.fixture(params=["the same user", "an ordinary user"])
def comanda(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    user = None
    if request.param == "an ordinary user":
        if os.geteuid() != 0:
            pytest.skip("the tests run as an ordinary user already")
        if not reachable_by(NOBODY):
            pytest.skip(f"{NOBODY} may not run {os.path.realpath(sys.executable)}")
        user = NOBODY
    with command_line(user) as made:
        yield made


async def replicas_that_have(data: Path, key: str) -> tuple[int, int]:
    """How many standbys stream, and how many show a row that was just written."""
    addresses = saved_environment(data)
    primary = await asyncpg.connect(addresses["COMANDA_DATABASE_URL"])
    streaming = await primary.fetchval(
        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    )
    await primary.execute("INSERT INTO configuration VALUES ($1, '1', now())", key)
    written = await primary.fetchval("SELECT pg_current_wal_flush_lsn()")
    await primary.close()
    shown = 0
    for url in addresses["COMANDA_REPLICA_URLS"].split(","):
        replica = await asyncpg.connect(url)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1", written):
                break
        shown += await replica.fetchval("SELECT count(*) FROM configuration WHERE key = $1", key)
        await replica.close()
    return streaming, shown


async def test_up_serves_and_a_kill_loses_no_order_and_leaves_no_orphan(
    comanda: CommandLine,
) -> None:
    running = comanda.up()

    # A picture of the asked size in the asked format, from the shelf the second time.
    for accept, format_ in (("image/webp", "WEBP"), ("image/jpeg", "JPEG")):
        for _ in range(2):
            answer = comanda.get("/products/1?w=320&h=200&q=80", Accept=accept)
        assert answer.headers["cache-status"] == "comanda-memory; hit"
        with Image.open(BytesIO(answer.content)) as picture:
            assert (picture.size, picture.format) == ((320, 200), format_)

    assert await replicas_that_have(comanda.data, "written") == (3, 3)

    # Both edges have the same picture, if there is an nginx for them.
    for edge in comanda.edges():
        sent = comanda.get("/products/1?w=320&h=200&q=80", at=edge, Accept="image/jpeg")
        assert sent.content == answer.content
        assert sent.headers["x-cache"] == "Miss from cloudfront"

    # An order is acknowledged; the supervisor dies that instant.
    session = comanda.post(
        "/auth/login", {"email": "student1@campus.example", "password": PASSWORD}
    )
    bearer = {"authorization": f"Bearer {session['accessToken']}"}
    products = comanda.get("/api/products?limit=100").json()["data"]
    product = next(each["id"] for each in products if each["cafeteriaId"] == 1)
    basket = {"cafeteriaId": 1, "items": [{"productId": product, "quantity": 1}]}
    order = comanda.post("/api/orders", basket, **bearer, **{"idempotency-key": "lunch"})
    running.kill()
    running.wait()
    assert comanda.wait_until_alone() == []

    # The same token opens the same order in the same data, and the variants are on the shelf.
    again = comanda.up()
    assert "is here already, with 60 orders, and stays as it is" in comanda.output.read_text()
    stored = comanda.get("/products/1?w=320&h=200&q=80", Accept="image/webp")
    assert stored.headers["cache-status"] == "comanda-variants; hit"
    assert comanda.get(f"/api/orders/{order['id']}", **bearer).json() == order
    assert comanda.run("status")[0] == 0
    assert comanda.run("ledger")[0] == 0

    # A second one is told who runs; Ctrl-C ends everything.
    code, words = comanda.run("up", "--port", str(comanda.port))
    assert code == 1
    assert f"already running: process {again.pid}" in words
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 0
    assert comanda.wait_until_alone(5) == []
    assert comanda.run("status")[0] == 3


def test_a_port_in_use_is_said_before_anything_starts() -> None:
    with command_line(None) as comanda, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, words = comanda.run("up", "--port", str(port))
        assert code == 1
        assert f"Port {port} of 127.0.0.1 is in use" in words
        assert f"--port {port + 1}" in words
        assert list(comanda.data.iterdir()) == []


def test_a_load_that_was_broken_off_is_done_again_and_another_terminal_stops_it() -> None:
    with command_line(None) as comanda:
        loading = comanda.start(
            comanda.output, "up", "--orders", "200000", "--port", str(comanda.port)
        )
        while "Loading the demo" not in comanda.output.read_text():
            assert loading.poll() is None
            time.sleep(0.02)
        time.sleep(1.0)
        loading.kill()
        loading.wait()
        assert comanda.wait_until_alone() == []
        # The ids go on where the broken load had come to: the first dish is not number 1.
        again = comanda.up()
        assert comanda.get("/api/products?limit=1").json()["pagination"]["total"] == 200
        assert comanda.run("down") == (0, "Stopped.\n")
        assert again.wait(30) == 0
        assert comanda.wait_until_alone(5) == []


def test_a_server_that_dies_during_the_load_is_told_and_mended_or_ends_it() -> None:
    with command_line(None) as comanda:
        loading = comanda.start(
            comanda.output, "up", "--orders", "400000", "--port", str(comanda.port)
        )

        def until(words: str) -> None:
            while words not in comanda.output.read_text():
                assert loading.poll() is None, comanda.output.read_text()
                time.sleep(0.02)

        def kill(role: str) -> None:
            found = control.status(comanda.data).processes
            os.kill(next(each.pid for each in found if each.role == role), signal.SIGKILL)

        until(" of 400,000 orders")
        kill("valkey")
        until("Valkey is back")
        assert "orders loaded in" not in comanda.output.read_text()
        kill("primary")
        assert loading.wait(60) == 1
        words = comanda.output.read_text()
        assert "PostgreSQL primary was ended by SIGKILL" in words
        assert "start again with the same command" in words
        assert "Traceback" not in words
        assert comanda.wait_until_alone() == []


async def test_orders_for_which_there_is_no_room_are_refused_before_they_are_loaded(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "BYTES_AN_ORDER", 10**15)
    (tmp_path / "postgres").mkdir()
    asked = launch.Launch(tmp_path, "127.0.0.1", free_port(), 3000, fresh=False)
    environment = os.environ | {"COMANDA_DATABASE_URL": empty_database}
    said: list[str] = []
    with pytest.raises(StackError, match="the stack with 3,000 orders of history needs"):
        await launch._load_demo(Stack(tmp_path), asked, environment, said.append)
    assert said == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("canteen.example", "http://canteen.example:8000"),
    ],
)
def test_the_address_that_is_told_can_be_opened(host: str, url: str, tmp_path: Path) -> None:
    assert launch.Launch(tmp_path, host, 8000, None, fresh=False).url == url


@pytest.mark.parametrize("host", ["", " ", "no such host", ".."])
def test_a_host_that_is_none_is_refused_with_a_sentence(host: str, tmp_path: Path) -> None:
    asked = ["up", "--host", host, "--data", str(tmp_path)]
    outcome = CliRunner().invoke(main, asked)
    assert outcome.exit_code == 1
    assert outcome.output.startswith(
        f"Error: {host}:" if host.strip() else "Error: --host is empty"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("command", ["status", "down"])
@pytest.mark.parametrize("mode", [0o700, 0o711])
def test_a_stack_of_somebody_else_is_said_to_be_theirs(command: str, mode: int) -> None:
    with command_line(None) as comanda:
        (comanda.data / "state.json").write_text("{}")
        (comanda.data / "state.json").chmod(0o600)
        comanda.data.chmod(mode)
        os.seteuid(pwd.getpwnam(NOBODY).pw_uid)
        try:
            outcome = CliRunner().invoke(main, [command, "--data", str(comanda.data)])
        finally:
            os.seteuid(0)
        assert outcome.exit_code == 1
        assert "belongs to root" in outcome.output


def test_migrations_need_the_database_and_nothing_else(empty_database: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "bff", "migrate"],
        env={"PATH": os.environ["PATH"], "COMANDA_DATABASE_URL": empty_database},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_the_settings_name_the_data_directory_too() -> None:
    assert "COMANDA_DATA " in CliRunner().invoke(main, ["settings"]).output


def test_ctrl_c_while_the_command_is_still_loading_ends_it_quietly() -> None:
    program = """
import os, signal, sys
class Impatient:
    def find_spec(self, name, *_):
        if name == "bff.launch":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
from bff.__main__ import main
main()
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program, "up"], cwd=ROOT, capture_output=True, check=False
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (130, b"", b"")
