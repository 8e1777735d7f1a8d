"""Whatever the description allows is answered as it says, and whatever it does not is refused."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from bff.settings import Settings
from domain.accounts import AccessTokens, Principal
from domain.model import Role
from imaging.shelves import Shelves
from tests.serving import UNLIMITED, free_port, running, until_healthy

HERE: Final = Path(__file__).parent
CONFIGURATION: Final = HERE / "schemathesis.toml"
HOOKS: Final = HERE / "hooks.py"
PHASES: Final = "--phases=examples,coverage,fuzzing,stateful"
# What is the same for everybody is asked once, by whoever may do everything.
BY_ROLE: Final = ("--include-by=/security/0/bearer == []", "--include-path=/api/home")
CALLERS: Final[dict[str, tuple[str, ...]]] = {"admin1": (), "staff1": BY_ROLE, "student1": BY_ROLE}
# Who has none of what is any caller's.
ANOTHER: Final = "student2"
FEW: Final = 3
MANY: Final = 100


@pytest.mark.parametrize("account", CALLERS)
async def test_no_request_is_answered_otherwise_than_described(
    settings: Settings,
    shelves: Shelves,
    connection: asyncpg.Connection,
    tmp_path: Path,
    account: str,
) -> None:
    """As an administrator, staff and a customer, by all checks in all phases: each edge of each
    parameter, requests made up at random, and scenarios of several. The same ones each time: one
    that finds something else is no test."""
    options = (f"--max-examples={FEW}", "--generation-deterministic", *CALLERS[account])
    await campaign(settings, connection, tmp_path, account, *options)


@pytest.mark.long
@pytest.mark.parametrize("account", CALLERS)
async def test_nor_are_many_more_others_each_time(
    settings: Settings,
    shelves: Shelves,
    connection: asyncpg.Connection,
    tmp_path: Path,
    account: str,
) -> None:
    await campaign(settings, connection, tmp_path, account, f"--max-examples={MANY}")


async def campaign(
    settings: Settings, connection: asyncpg.Connection, cwd: Path, account: str, *options: str
) -> None:
    """Ask a server of the test's own for whatever its description allows, and what it does not."""
    people = {"caller": account, "another": ANOTHER}
    entries = [
        {
            "name": name,
            "fixedHeaders": [
                {"name": "Authorization", "value": await bearer(settings, connection, who)}
            ],
        }
        for name, who in people.items()
    ]
    (cwd / "people.json").write_text(json.dumps({"auth": entries}))
    port = free_port()
    # Limits are what it would find first, and nothing else then.
    with running(settings, [port], 1, **UNLIMITED) as (url,):
        await until_healthy(url)
        told = (f"--config-file={CONFIGURATION}", PHASES, *options)
        code, report = await schemathesis(port, *told, cwd=cwd)
    assert code == 0, report


async def bearer(settings: Settings, connection: asyncpg.Connection, account: str) -> str:
    """What somebody's requests are sent with."""
    row = await connection.fetchrow(
        "SELECT id, role, cafeteria_id FROM users WHERE email = $1 || '@campus.example'", account
    )
    caller = Principal(row["id"], Role(row["role"]), row["cafeteria_id"])
    token, _ = AccessTokens(settings.token_secret).issue(caller, datetime.now(UTC))
    return f"Bearer {token}"


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
        code, report = await schemathesis(port, cwd=tmp_path)
    assert code == 1
    assert "_ GET /x _" in report
    assert "[200] OK" in report


async def schemathesis(port: int, *options: str, cwd: Path) -> tuple[int, str]:
    """What it ends with, and what it tells."""
    # The configuration comes before the command.
    before = [each for each in options if each.startswith("--config-file=")]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *before,
        "run",
        f"http://127.0.0.1:{port}/schema/openapi.json",
        "--checks=all",
        "--continue-on-failure",
        "--no-color",
        *(each for each in options if each not in before),
        cwd=cwd,
        env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await process.communicate()
    return process.returncode or 0, report.decode()
