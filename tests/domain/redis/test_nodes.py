"""Whoever asks Redis is sent to the right node, and is held up by none that is lost."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis
from redis.crc import key_slot

from domain.redis import Address, AwayError, Nodes
from domain.redis import nodes as nodes_module
from infra.local.redis_cluster import RedisCluster
from tests.serving import Proxy, free_port, pump

KEYS = [f"k{number}".encode() for number in range(60)]


@asynccontextmanager
async def started(url: str, *, is_cluster: bool = False) -> AsyncIterator[Nodes]:
    nodes = Nodes(url, is_cluster=is_cluster)
    nodes.start()
    try:
        yield nodes
    finally:
        await nodes.close()
        left = [repr(task.get_coro()) for task in asyncio.all_tasks()]
        assert not [each for each in left if "Wire." in each or "Nodes." in each]


async def answers(nodes: Nodes, key: bytes = b"k") -> Any:
    """The value of a key as soon as there is an answer."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await nodes.call(key, "GET", key)
            except AwayError:
                await asyncio.sleep(0.01)


@pytest.fixture
async def cluster(redis_cluster: RedisCluster) -> AsyncIterator[Nodes]:
    """All keys are set to themselves."""
    async with started(redis_cluster.url, is_cluster=True) as nodes:
        await answers(nodes)
        await asyncio.gather(*(nodes.call(key, "SET", key, key) for key in KEYS))
        yield nodes


# --- one node --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["hangs", "is gone"])
async def test_a_node_that_was_away_is_found_again_without_being_asked_for(
    redis_url: str, how: str
) -> None:
    place = Address(redis_url).seeds[0]
    proxy = Proxy(*place)
    await proxy.up()
    async with started(redis_url.replace(f":{place.port}/", f":{proxy.port}/")) as nodes:
        await answers(nodes)
        if how == "hangs":
            proxy.thaw.clear()
        else:
            await proxy.down()
        with pytest.raises(AwayError):
            await nodes.call(b"k", "GET", b"k")
        assert not await nodes.answer()
        if how == "hangs":
            proxy.thaw.set()
        else:
            await proxy.up()
        await answers(nodes)
        assert await nodes.answer()
    await proxy.down()


async def test_a_wrong_password_is_told_once_however_often_it_is_tried(
    redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes_module, "PAUSE", 0.01)
    place = Address(redis_url).seeds[0]

    def refused() -> int:
        return int(client.info("stats")["acl_access_denied_auth"])

    with Redis.from_url(redis_url) as client:
        before = refused()
        async with (
            started(f"redis://:wrong@{place}/0") as nodes,
            asyncio.timeout(30),
        ):
            while refused() < before + 5:
                with pytest.raises(AwayError):
                    await nodes.call(b"k", "GET", b"k")
                await asyncio.sleep(0.01)
    (line,) = [each for each in caplog.records if each.name.startswith("domain.redis")]
    assert line.getMessage().startswith(f"Redis {place} is away: ")
    assert "password" in line.getMessage()
    assert line.exc_info is None


def authority(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of its own authority for 127.0.0.1, and how a server presents it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    trusted, own = directory / "ca.pem", directory / "key.pem"
    trusted.write_bytes(certificate.public_bytes(Encoding.PEM))
    own.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, own)
    return trusted, context


async def test_over_tls_only_a_server_of_a_known_authority_is_asked(
    redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Address(redis_url).seeds[0]
    trusted, context = authority(tmp_path)
    pipes: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*place)
        pipes.update(asyncio.create_task(pump(*each)) for each in ((reader, back), (there, writer)))

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    url = redis_url.replace("redis:", "rediss:").replace(f":{place.port}/", f":{port}/")
    nodes = Nodes(url)
    await nodes.look()
    with pytest.raises(AwayError):
        await nodes.call(b"k", "SET", b"k", 1)
    assert "certificate verify failed" in caplog.text
    await nodes.close()
    async with started(f"{url}?ssl_ca_certs={trusted}") as nodes:
        assert await answers(nodes) is None
        bodies = [bytes(100_000 + each) for each in range(10)]
        await asyncio.gather(*(nodes.call(b"k", "SET", len(body), body) for body in bodies))
        assert bodies == [await nodes.call(b"k", "GET", len(body)) for body in bodies]
    server.close()
    await asyncio.gather(*pipes)


async def test_closing_ends_all_whenever_it_comes(redis_url: str) -> None:
    for turns in range(25):
        async with started(redis_url):
            for _ in range(turns):
                await asyncio.sleep(0)


# --- a cluster -------------------------------------------------------------------------


async def test_a_thousand_at_once_are_answered_though_one_seed_is_down(
    redis_cluster: RedisCluster,
) -> None:
    url = redis_cluster.url.replace("@", f"@127.0.0.1:{free_port()},")
    async with started(url, is_cluster=True) as nodes:
        await answers(nodes)
        assert await nodes.answer()
        # Which three, an earlier test may have changed.
        assert len({place.port for place in nodes.masters} & set(redis_cluster.ports)) == 3
        keys = [b"n%d" % number for number in range(1000)]
        await asyncio.gather(*(nodes.call(key, "SET", key, key) for key in keys))
        assert await asyncio.gather(*(nodes.call(key, "GET", key) for key in keys)) == keys


async def test_while_one_master_hangs_and_is_replaced_the_others_answer_all(
    redis_cluster: RedisCluster, cluster: Nodes
) -> None:
    lost = cluster.of(key_slot(KEYS[0]))
    assert lost is not None
    hit = [key for key in KEYS if cluster.of(key_slot(key)) == lost]
    others = [key for key in KEYS if key not in hit]
    redis_cluster.freeze(lost.port)
    failed = 0
    async with asyncio.timeout(60):
        while cluster.of(key_slot(KEYS[0])) in (lost, None) or failed == 0:
            found = await asyncio.gather(*(cluster.call(key, "GET", key) for key in others))
            assert found == others
            for key in hit:
                try:
                    assert await cluster.call(key, "GET", key) == key
                except AwayError:
                    failed += 1
            await asyncio.sleep(0.01)
    assert [await answers(cluster, key) for key in hit] == hit
    assert await cluster.answer()
    # It comes back as a replica, and sends on who still takes it for the master.
    redis_cluster.thaw(lost.port)
    assert [await answers(cluster, key) for key in KEYS] == KEYS
    assert lost not in cluster.masters


async def test_a_master_that_begins_again_at_once_is_empty_and_asked(
    redis_cluster: RedisCluster, cluster: Nodes
) -> None:
    place = cluster.of(key_slot(KEYS[0]))
    assert place is not None
    redis_cluster.kill(place.port)
    with pytest.raises(AwayError):
        await cluster.call(KEYS[0], "GET", KEYS[0])
    redis_cluster.restart(place.port)
    assert await answers(cluster, KEYS[0]) is None
    assert cluster.of(key_slot(KEYS[0])) == place


def moving(nodes: RedisCluster, slot: int, here: int, there: int) -> Callable[[], None]:
    """Begin to move a slot between two ports; call the result to end it."""
    ids = {port: nodes.ask(port, "CLUSTER", "MYID") for port in (here, there)}
    nodes.ask(there, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[here])
    nodes.ask(here, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[there])

    def end() -> None:
        for port in (there, here):
            nodes.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[there])

    return end


async def test_a_slot_can_be_asked_for_all_the_while_that_it_moves(
    redis_cluster: RedisCluster, cluster: Nodes
) -> None:
    moved, stays = b"{menu}:1", b"{menu}:2"
    slot = key_slot(moved)
    here = cluster.of(slot)
    there = next(place for place in cluster.masters if place != here)
    assert here is not None
    for key in (moved, stays):
        await cluster.call(key, "SET", key, key)
    end = moving(redis_cluster, slot, here.port, there.port)
    password = str(Address(redis_cluster.url).connection(there).password)
    where = (there.host, there.port, moved.decode(), 0, 5000, "AUTH", password)
    redis_cluster.ask(here.port, "MIGRATE", *where)
    assert await cluster.call(stays, "GET", stays) == stays
    assert await cluster.call(moved, "GET", moved) == moved
    # What is asked in the same moment is not taken for asked there as well.
    both = [cluster.call(key, "GET", key) for key in (moved, stays, moved, *KEYS)]
    assert await asyncio.gather(*both) == [moved, stays, moved, *KEYS]
    # Half of it is here and half there.
    with pytest.raises(AwayError):
        await cluster.call(moved, "MGET", moved, stays)
    redis_cluster.ask(here.port, "MIGRATE", *where[:2], stays.decode(), *where[3:])
    end()
    assert await cluster.call(moved, "MGET", moved, stays) == [moved, stays]
    assert cluster.of(slot) == there
