"""A database's URL is taken as its owner has it, TLS and several hosts included."""

import asyncio
import shutil
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import certifi
import pytest
from sqlalchemy import select, true

from bff.settings import SettingsError, from_environment
from domain.database import Cluster, DatabaseAddressError, Limits, Role, dsn, nodes
from domain.errors import UnavailableError
from migrations.runner import migrate
from tests.serving import pump


async def reads(url: str) -> bool:
    cluster = Cluster(url, [url], Limits(connect_timeout=5.0))
    try:
        return bool(await cluster.read(Role.MENU, lambda reader: reader.scalar(select(true()))))
    finally:
        await cluster.close()


@pytest.mark.parametrize(
    "changed",
    [
        lambda url: f"{url}?sslmode=disable",
        lambda url: f"{url}?sslmode=prefer&connect_timeout=3&keepalives=1",
        lambda url: f"{url}?ssl=prefer",
        lambda url: f"{url}?target_session_attrs=primary",
        lambda url: url.replace("postgresql://", "postgres://"),
        lambda url: url.replace("postgresql://", "postgresql+asyncpg://"),
        lambda url: url.replace("@127.0.0.1", "@127.0.0.1:1,127.0.0.1"),
        # A percent sign stands for itself only when it is written as %25.
        lambda url: f"{url}?options=-c%20search_path%3Dpublic",
    ],
)
async def test_a_database_is_reached_by_the_url_that_its_owner_has(
    empty_database: str, changed: object
) -> None:
    assert callable(changed)
    url = changed(empty_database)
    await migrate(url)
    assert await reads(url)


async def test_a_server_setting_in_the_url_holds(database: str) -> None:
    connection = await asyncpg.connect(dsn(f"{database}?work_mem=1MB"))
    try:
        assert await connection.fetchval("SHOW work_mem") == "1MB"
    finally:
        await connection.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own for 127.0.0.1, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    made = tmp_path / "server.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(made), "-out", str(tmp_path / "only.pem")]
    subprocess.run(command, check=True, capture_output=True)
    made.write_text(made.read_text() + (tmp_path / "only.pem").read_text())
    return made


@asynccontextmanager
async def behind_tls(database: str, certificate: Path) -> AsyncIterator[str]:
    """The database by TLS only, as PostgreSQL speaks it: a request, `S`, then the handshake."""
    place = urlsplit(database)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readexactly(8)
            if request == struct.pack("!II", 8, 80_877_103):
                writer.write(b"S")
                await writer.start_tls(context)
                there, back = await asyncio.open_connection(place.hostname, place.port)
                await asyncio.gather(pump(reader, back), pump(there, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield database.replace(f":{place.port}/", f":{port}/")
    finally:
        server.close()


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
async def test_a_database_by_tls_is_reached_and_its_certificate_looked_at(
    database: str, certificate: Path, mode: str
) -> None:
    async with behind_tls(database, certificate) as url:
        trusted = f"&sslrootcert={certificate}" if mode.startswith("verify") else ""
        assert await reads(f"{url}?sslmode={mode}{trusted}")


async def test_a_database_with_a_strangers_certificate_is_not_spoken_to(
    database: str, certificate: Path
) -> None:
    async with behind_tls(database, certificate) as url:
        with pytest.raises(UnavailableError):
            await reads(f"{url}?sslmode=verify-full&sslrootcert={certifi.where()}")


async def test_a_server_without_tls_is_not_spoken_to_where_tls_is_required(database: str) -> None:
    with pytest.raises(UnavailableError):
        await reads(f"{database}?sslmode=require")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:secret@db/app",
        "db.example",
        "postgresql://u:secret@db",
        "postgresql://[u:secret",
    ],
)
def test_what_is_no_database_is_said_by_name_and_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseAddressError):
        dsn(url)
    given = {
        "COMANDA_DATABASE_URL": "postgresql://u@db/app",
        "COMANDA_REPLICA_URLS": url,
        "COMANDA_REDIS_URL": "redis://cache",
        "COMANDA_TOKEN_SECRET": "x" * 32,
    }
    with pytest.raises(SettingsError, match="COMANDA_REPLICA_URLS") as raised:
        from_environment(given)
    assert "secret" not in str(raised.value)


def test_only_the_place_of_a_database_is_shown() -> None:
    assert (
        nodes("postgresql://u:p%40ss@one:5432,two:5433/app?sslmode=require") == "one:5432,two:5433"
    )
