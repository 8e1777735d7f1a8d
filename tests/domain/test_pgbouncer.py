"""Behind PgBouncer in transaction mode, where the next statement may be another connection's."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from sqlalchemy import column, func, insert, make_url, select, text

from domain import model
from domain.database import Cluster, Limits, Reader, Role, Writer
from tests.serving import free_port

PROGRAM: Final = shutil.which("pgbouncer")
SETTINGS: Final = """
[databases]
{name} = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
default_pool_size = 3
unix_socket_dir =
"""

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    """The campus through a PgBouncer with three connections."""
    assert PROGRAM is not None
    url, listen = make_url(database), free_port()
    with tempfile.TemporaryDirectory(prefix="comanda-test-") as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "pgbouncer.ini"
        file.write_text(
            SETTINGS.format(
                name=url.database,
                host=url.host,
                port=url.port,
                user=url.username,
                password=url.password,
                listen=listen,
            )
        )
        # It refuses to run as root.
        who = {"user": "nobody"} if os.geteuid() == 0 else {}
        process = subprocess.Popen([PROGRAM, "-q", str(file)], **who)  # type: ignore[call-overload]
        yield f"postgresql://somebody@127.0.0.1:{listen}/{url.database}"
        process.terminate()
        process.wait()


@pytest.fixture
async def cluster(pooled: str) -> AsyncIterator[Cluster]:
    cluster = Cluster(pooled, [pooled], Limits(connections=12, pgbouncer=True))
    async with asyncio.timeout(30):
        while not (await cluster.ping(1.0))["primary"]:
            pass
    yield cluster
    await cluster.close()


async def test_many_share_a_few_connections(
    cluster: Cluster, connection: asyncpg.Connection
) -> None:
    cluster.start()

    async def names(reader: Reader) -> int:
        found = await reader.execute(select(model.Category.name).order_by(model.Category.id))
        return len(found.all())

    async def noted(writer: Writer, key: str) -> None:
        await writer.change(insert(model.Configuration).values(key=key, value=1))
        await writer.scalar(select(func.count()).where(model.Configuration.key == key))

    async def go(person: int) -> None:
        for number in range(10):
            assert await cluster.read(Role.MENU, names) > 0
            key = f"{person}-{number}"
            _, fence = await cluster.write(partial(noted, key=key))
            assert await cluster.read(Role.MENU, names, fence) > 0

    await asyncio.gather(*map(go, range(10)))
    assert await connection.fetchval("SELECT count(*) FROM configuration WHERE key ~ '-'") == 100


async def test_a_write_through_a_read_is_refused_there_too(cluster: Cluster) -> None:
    smuggled = text("DELETE FROM configuration RETURNING 1").columns(column("value"))
    with pytest.raises(asyncpg.PostgresError, match="read-only transaction"):
        await cluster.read(Role.MENU, lambda reader: reader.scalar(smuggled))
