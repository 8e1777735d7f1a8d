"""Real servers for the whole session, and a clean database, buckets and Redis for each test."""

import asyncio
import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import httpx
import pytest
from litestar import Litestar
from redis import Redis
from sqlalchemy import make_url

from bff.app import create_app
from bff.objects import store
from bff.settings import Settings, from_environment
from domain.database import Cluster, Database
from domain.redis import wire
from imaging.shelves import Shelves
from infra.demo import loader
from infra.local.redis_cluster import RedisCluster
from infra.local.stack import Stack
from migrations.runner import migrate

EMPTY = "comanda_empty"
CAMPUS = "comanda_campus"
CAMPUS_ORDERS = 300
# The embedded servers fit into memory, where a database is cloned in milliseconds.
MEMORY = Path("/dev/shm")  # noqa: S108
ROOMY = 2_000_000_000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without-servers", action="store_true", help="start none: for tests that use none"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers once, before xdist's workers, which inherit where they are."""
    options = session.config.option
    if hasattr(session.config, "workerinput") or options.collectonly or options.without_servers:
        return
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOMY
    directory = Path(tempfile.mkdtemp(prefix="comanda-test-", dir=MEMORY if in_memory else None))
    # The servers may run under another account, which has to reach them.
    directory.chmod(0o755)
    stack = Stack(directory, report=lambda _: None, fast=True)
    session.config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    session.config.add_cleanup(stack.stop)
    addresses = stack.start()
    os.environ.update(addresses.environment(), COMANDA_TOKEN_SECRET=secrets.token_hex(32))
    asyncio.run(_make_templates(addresses.database_url))
    stack.wait_for_replicas()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is meant to take minutes may."""
    for item in items:
        if item.get_closest_marker("long") or item.get_closest_marker("infra"):
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported stays: no look for cycles need go through it again, once a test or so."""
    gc.collect()
    gc.freeze()


async def _make_templates(database_url: str) -> None:
    for name in (EMPTY, CAMPUS):
        await _administer(database_url, f"CREATE DATABASE {name}")
        await migrate(_database(database_url, name))
    await loader.load(_database(database_url, CAMPUS), CAMPUS_ORDERS, lambda _: None)
    # As if that were long ago: nothing remembers anything from before it.
    await _administer(_database(database_url, CAMPUS), "DELETE FROM outbox")


async def _administer(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@asynccontextmanager
async def _clone(template: str) -> AsyncIterator[str]:
    main = os.environ["COMANDA_DATABASE_URL"]
    name = f"test_{uuid4().hex}"
    await _administer(main, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _database(main, name)
    await _administer(main, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database() -> AsyncIterator[str]:
    """The URL of a migrated database without a row."""
    async with _clone(EMPTY) as url:
        yield url


@pytest.fixture
async def database() -> AsyncIterator[str]:
    """The URL of a database that holds the demo campus and some orders."""
    async with _clone(CAMPUS) as url:
        yield url


@pytest.fixture
async def cluster(database: str) -> AsyncIterator[Cluster]:
    """The campus through the domain's own way to it."""
    cluster = Cluster(database, [])
    yield cluster
    await cluster.close()


@pytest.fixture
def campus(cluster: Cluster) -> Database:
    """What services are given, without anybody's fences."""
    return Database(cluster)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the campus, to look behind the application's back."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that waits for a core, which it shares with the tests, is not one that hangs."""
    monkeypatch.setattr(wire, "PATIENCE", 0.5)
    monkeypatch.setattr(wire, "CONNECT_PATIENCE", 1.0)


@pytest.fixture
def redis_url() -> str:
    """An empty Redis database; each of xdist's workers has its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    url = f"{os.environ['COMANDA_REDIS_URL'].removesuffix('/0')}/{int(worker) + 1}"
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def _six_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    nodes = RedisCluster(tmp_path_factory.mktemp("redis"))
    nodes.start()
    yield nodes
    nodes.stop()


@pytest.fixture
def redis_cluster(_six_nodes: RedisCluster) -> RedisCluster:
    """Six Redis nodes of this worker's own, whole and empty; a test may do to them what it likes.

    The first test that asks for them waits two seconds.
    """
    _six_nodes.mend()
    return _six_nodes


@pytest.fixture
def settings(database: str, redis_url: str) -> Settings:
    """Settings for the campus, with two buckets that nobody has used."""
    buckets = uuid4().hex
    return from_environment(
        os.environ
        | {
            "COMANDA_DATABASE_URL": database,
            # Tests of what a replica does name one: elsewhere nothing waits for it.
            "COMANDA_REPLICA_URLS": "",
            "COMANDA_REDIS_URL": redis_url,
            "COMANDA_DATABASE_LEAST_CONNECTIONS": "0",
            "COMANDA_PICTURE_PROCESSES": "1",
            # Tests of limits have their own.
            "COMANDA_LIMIT_GENERAL": "0",
            "COMANDA_LIMIT_ANONYMOUS": "0",
            "COMANDA_LIMIT_LOGIN": "0",
            "COMANDA_LIMIT_PAYMENT": "0",
            "COMANDA_S3_ORIGINALS": f"originals-{buckets}",
            "COMANDA_S3_VARIANTS": f"variants-{buckets}",
        }
    )


@pytest.fixture
async def shelves(settings: Settings) -> AsyncIterator[Shelves]:
    """The test's two buckets."""
    shelves = Shelves(store(settings))
    await shelves.create_buckets()
    yield shelves
    shelves.close()


@asynccontextmanager
async def _started(app: Litestar) -> AsyncIterator[None]:
    """The application while it lives, in one task: a fixture is entered in one and left in
    another, which a lifespan's cancel scopes do not survive."""
    ready, finished = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            ready.set()
            await finished.wait()

    living = asyncio.create_task(live())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({living, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        finished.set()
        await living


@asynccontextmanager
async def _serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    # An error of the application is a response, as it is live.
    transport = httpx.ASGITransport(cast("Any", app), raise_app_exceptions=False)
    async with (
        _started(app),
        httpx.AsyncClient(transport=transport, base_url="http://comanda.test") as client,
    ):
        yield client


Serve = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve() -> Serve:
    """Start the application with settings of the test's own; a client of it."""
    return _serving


@pytest.fixture
async def client(settings: Settings, shelves: Shelves) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over the campus; `shelves` has made its buckets."""
    async with _serving(settings) as client:
        yield client
