"""Whatever the description allows is answered as it says, and whatever it does not is refused."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from bff.settings import Settings
from domain.accounts import AccessTokens, Principal
from domain.model import Role
from imaging.shelves import Shelves
from tests.serving import UNLIMITED, command, environment, free_port, until_healthy

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# Every edge of every parameter once, as whoever may do everything; some of all, as everybody else.
CALLERS = [
    ("admin1", "examples,coverage,fuzzing"),
    ("staff1", "fuzzing"),
    ("student1", "fuzzing"),
]
EXAMPLES = 3


@pytest.mark.parametrize(("account", "phases"), CALLERS)
async def test_no_request_is_answered_otherwise_than_described(
    settings: Settings,
    shelves: Shelves,
    connection: asyncpg.Connection,
    tmp_path: Path,
    account: str,
    phases: str,
) -> None:
    row = await connection.fetchrow(
        "SELECT id, role, cafeteria_id FROM users WHERE email = $1 || '@campus.example'", account
    )
    caller = Principal(row["id"], Role(row["role"]), row["cafeteria_id"])
    token, _ = AccessTokens(settings.token_secret).issue(caller, datetime.now(UTC))
    port = free_port()
    # Limits are what it would find first, and nothing else then.
    server = await asyncio.create_subprocess_exec(
        *command(port), env=environment(settings) | UNLIMITED
    )
    try:
        await until_healthy(f"http://127.0.0.1:{port}")
        code, report = await schemathesis(
            port, token, "--phases", phases, "--checks", "all", cwd=tmp_path
        )
    finally:
        server.terminate()
        await server.wait()
    assert code == 0, report


async def test_what_contradicts_the_description_is_found(tmp_path: Path) -> None:
    """The check itself: of a server that answers another status than it says."""
    port = free_port()
    described = (
        b'{"openapi": "3.1.0", "info": {"title": "", "version": ""}, "paths": {"/x": {"get":'
        b' {"responses": {"204": {"description": ""}}}}}}'
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = described if b"openapi.json" in head else b"{}"
        status = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n"
        writer.write(status + b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        code, report = await schemathesis(port, "none", "--checks", "all", cwd=tmp_path)
    assert code == 1
    assert "_ GET /x _" in report
    assert "[200] OK" in report


async def schemathesis(port: int, token: str, *options: str, cwd: Path) -> tuple[int, str]:
    """What it ends with, and what it tells."""
    running = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={CONFIGURATION}",
        "run",
        f"http://127.0.0.1:{port}/schema/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--max-examples={EXAMPLES}",
        # The same requests each time: one that finds something else is no test.
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-color",
        *options,
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await running.communicate()
    return running.returncode or 0, report.decode()
