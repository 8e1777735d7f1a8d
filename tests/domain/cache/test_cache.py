"""What is kept is as of a moment, and is served as long as nothing later is known of it."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from redis import Redis

from domain import kinds
from domain.cache import auditor as auditor_module
from domain.cache import cache as cache_module
from domain.cache import changes as changes_module
from domain.cache import inspection
from domain.cache import shared as shared_module
from domain.database import Cluster, Horizon, Limits, horizon
from domain.errors import UnavailableError
from domain.redis import wire as wire_module
from infra.local.redis_cluster import RedisCluster
from tests.domain.cache.processes import PRICES, Process, running
from tests.serving import Proxy


@pytest.fixture
async def process(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


@pytest.fixture
async def other(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
def _nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no core for us for a while makes nobody give up on another."""
    monkeypatch.setattr(shared_module, "LEASE", 3600.0)
    monkeypatch.setattr(cache_module, "WAIT", 3600.0)
    monkeypatch.setattr(changes_module, "TRUST", 3600.0)
    monkeypatch.setattr(wire_module, "PATIENCE", 3600.0)


@pytest.mark.usefixtures("_nobody_hurries")
async def test_a_crowd_in_two_processes_reads_the_source_once(
    process: Process, other: Process
) -> None:
    crowd = [each.price(1) for each in (process, other) for _ in range(1000)]
    assert len(set(await asyncio.gather(*crowd))) == 1
    assert len(process.loads + other.loads) == 1


@pytest.mark.usefixtures("_nobody_hurries")
async def test_a_crowd_in_processes_that_have_not_heard_of_anything_lately_is_none_the_less_one(
    process: Process, other: Process
) -> None:
    for each in (process, other):
        # As after a second without a core: the crowd comes before the next look does.
        await each.cache._bus.close()
        assert each.cache.changes._running is not None
        each.cache.changes._running.cancel()
        each.cache.changes.trusted_until = -math.inf
    crowd = [each.price(1) for each in (process, other) for _ in range(100)]
    assert len(set(await asyncio.gather(*crowd))) == 1
    assert len(process.loads + other.loads) == 1


@pytest.mark.usefixtures("_nobody_hurries")
async def test_several_are_read_together_and_each_once(process: Process, other: Process) -> None:
    await other.price(2)
    many = await process.cache.get_many(PRICES, [1, 2, 3, 2], process.load)
    assert sorted(process.loads) == [1, 3]
    assert many == [await other.price(key) for key in (1, 2, 3, 2)]


@pytest.mark.usefixtures("_nobody_hurries")
async def test_what_is_not_there_is_remembered_too(process: Process, other: Process) -> None:
    for each in (process, process, other):
        assert await each.price(10**9) is None
    assert len(process.loads + other.loads) == 1


async def test_a_change_is_seen_by_its_writer_at_once_and_by_others_without_their_asking(
    process: Process, other: Process
) -> None:
    for price in range(1, 30):
        await process.reprice(1, price)
        assert await process.price(1) == price
        await other.hears(1, price)


async def test_who_was_told_of_a_change_sees_it_though_the_process_has_not_heard(
    process: Process, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module.Changes, "hear", lambda *_: None)
    await other.price(1)
    seen = Horizon()
    token = horizon.set(seen)
    await process.reprice(1, 77)
    horizon.set(Horizon(seen.written))
    assert await other.price(1) == 77
    horizon.reset(token)


async def test_a_change_by_hand_is_heard_of(
    process: Process, connection: asyncpg.Connection
) -> None:
    await process.price(1)
    await connection.execute("UPDATE products SET price_minor = 77 WHERE id = 1")
    await process.hears(1, 77)


async def test_nobody_joins_a_reading_that_began_before_the_change(process: Process) -> None:
    has_read, may_end = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        has_read.set()
        await may_end.wait()

    process.before = wait
    early = asyncio.create_task(process.price(1))
    await has_read.wait()
    await process.reprice(1, 77)
    process.before = lambda: asyncio.sleep(0)
    late = asyncio.create_task(process.price(1))
    await asyncio.sleep(0.05)
    may_end.set()
    assert await late == 77
    assert await early != 77
    # What came late and is older is in nobody's way.
    assert await process.price(1) == 77
    assert len(process.loads) == 2


@pytest.mark.usefixtures("_nobody_hurries")
async def test_an_old_reading_does_not_replace_a_later_one_in_redis(
    process: Process, other: Process
) -> None:
    has_read, may_end = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        has_read.set()
        await may_end.wait()

    process.before = wait
    early = asyncio.create_task(process.price(1))
    await has_read.wait()
    process.before = lambda: asyncio.sleep(0)
    await other.reprice(1, 77)
    # Its lease is the first one's; it waits for that, and finds what it brings too old.
    late = asyncio.create_task(other.price(1))
    await asyncio.sleep(0.05)
    may_end.set()
    await early
    assert await late == 77
    await process.hears(1, 77)
    assert len(process.loads + other.loads) == 2


@pytest.mark.usefixtures("_nobody_hurries")
async def test_what_this_process_is_to_read_waits_for_nothing_that_another_reads(
    process: Process, other: Process
) -> None:
    may_end = asyncio.Event()
    other.before = may_end.wait
    theirs = asyncio.create_task(other.price(2))
    await until(lambda: other.loads == [2])
    many = asyncio.create_task(process.cache.get_many(PRICES, [1, 2], process.load))
    # Or two that wait for each other do so until a lease ends.
    await until(lambda: process.loads == [1])
    may_end.set()
    assert await many == [await process.price(1), await theirs]
    assert process.loads + other.loads == [1, 2]


@pytest.mark.usefixtures("_nobody_hurries")
async def test_who_waits_for_another_process_does_not_fail_with_what_is_read_here(
    process: Process, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "HELD", 3600.0)
    may_end = asyncio.Event()
    other.before = may_end.wait
    theirs = asyncio.create_task(other.price(2))
    await until(lambda: other.loads == [2])

    async def fail(keys: Any, fence: Any) -> Any:
        raise UnavailableError("It is away.")

    many = asyncio.create_task(process.cache.get_many(PRICES, [1, 2], fail))
    await asyncio.sleep(0)
    mine = asyncio.create_task(process.price(2))
    with pytest.raises(UnavailableError):
        await process.price(1)
    may_end.set()
    assert await mine == await theirs
    with pytest.raises(UnavailableError):
        await many


@pytest.mark.usefixtures("_nobody_hurries")
async def test_a_leader_that_is_cancelled_fails_no_follower(process: Process) -> None:
    leader = asyncio.create_task(process.price(1))
    await asyncio.sleep(0)
    follower = asyncio.create_task(process.price(1))
    await asyncio.sleep(0)
    leader.cancel()
    assert await follower is not None
    assert len(process.loads) == 1


@pytest.mark.usefixtures("_nobody_hurries")
async def test_without_redis_each_process_reads_once_and_hears_of_changes(
    database: str, redis_url: str, other: Process
) -> None:
    place = urlsplit(redis_url)
    proxy = Proxy(str(place.hostname), int(place.port or 6379))
    await proxy.up()
    through = redis_url.replace(f":{place.port}/", f":{proxy.port}/")
    async with running(database, through) as process:
        await proxy.down()
        await asyncio.gather(*(process.price(1) for _ in range(100)))
        assert len(process.loads) == 1
        await other.reprice(1, 77)
        await process.hears(1, 77)
        assert len(process.loads) == 2


async def test_a_lease_that_was_given_after_its_process_gave_up_holds_up_nobody_there(
    database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_module, "LEASE", 3600.0)
    monkeypatch.setattr(cache_module, "WAIT", 3600.0)
    place = urlsplit(redis_url)
    proxy = Proxy(str(place.hostname), int(place.port or 6379))
    await proxy.up()
    through = redis_url.replace(f":{place.port}/", f":{proxy.port}/")
    async with running(database, through) as process:
        # Redis knows the script by now.
        await process.price(2)
        get = process.cache._shared.get

        async def get_in_vain(*arguments: Any) -> Any:
            proxy.thaw.clear()
            return await get(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(process.cache._shared, "get", get_in_vain)
            await process.price(1)
        proxy.thaw.set()
        with Redis.from_url(redis_url) as redis:
            async with asyncio.timeout(10):
                # What was asked in vain arrives.
                while not (redis.keys("l:*prices*") and await process.nodes.answer()):
                    await process.cache.changes.look()
        await process.reprice(1, 77)
        async with asyncio.timeout(30):
            assert await process.price(1) == 77
    await proxy.down()


async def test_without_its_source_only_what_may_be_old_is_served(
    database: str, redis_url: str
) -> None:
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    await proxy.up()
    through = database.replace(f":{place.port}/", f":{proxy.port}/")
    lasting = replace(PRICES, name="lasting", outage=60.0)
    async with running(through, redis_url) as process:
        price = await process.price(1)
        assert await process.price(1, lasting) == price
        await proxy.down()
        # While the bus is heard, nothing can have changed without our hearing of it.
        await asyncio.sleep(2 * changes_module.TRUST)
        assert await process.price(1) == price
        await process.cache._bus.close()
        await asyncio.sleep(2 * changes_module.TRUST)
        assert await process.price(1, lasting) == price
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await process.price(1)


@pytest.mark.usefixtures("_nobody_hurries")
async def test_what_is_not_understood_in_redis_is_read_anew(
    process: Process, other: Process, redis_url: str
) -> None:
    price = await process.price(1)
    with Redis.from_url(redis_url) as redis:
        # It is handed out before it is kept there.
        await until(lambda: bool(redis.keys("c:*prices*")))
        for key in redis.scan_iter("c:*prices*"):
            redis.set(key, bytes(redis.get(key) or b"")[:16] + b"\xc1")
    assert await other.price(1) == price
    assert len(process.loads + other.loads) == 2
    async with running(process.url, redis_url) as third:
        assert await third.price(1) == price
        assert third.loads == []


@pytest.mark.usefixtures("_nobody_hurries")
async def test_what_is_large_is_read_by_each_process_and_not_kept_in_redis(
    process: Process, other: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MOST_BYTES", 1)
    monkeypatch.setattr(cache_module, "NAP", 30.0)
    assert await process.price(1) == await process.price(1) == await other.price(1)
    assert (len(process.loads), len(other.loads)) == (1, 1)


async def test_a_source_that_fails_is_not_asked_by_each_of_a_crowd_but_soon_again(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def fail(keys: Any, fence: Any) -> Any:
        nonlocal asked
        asked += 1
        raise UnavailableError("It is away.")

    async def ask(key: int) -> None:
        with pytest.raises(UnavailableError):
            await process.cache.get(PRICES, key, fail)

    monkeypatch.setattr(cache_module, "HELD", 3600.0)
    await asyncio.gather(*(ask(1) for _ in range(100)))
    await ask(1)
    assert asked == 1
    monkeypatch.setattr(cache_module, "HELD", 0.05)
    await ask(2)
    async with asyncio.timeout(5):
        while asked < 3:
            await asyncio.sleep(0.01)
            await ask(2)
    assert await process.price(3) is not None


async def test_what_is_there_is_one_command_for_all_that_a_turn_asks_for(
    process: Process, other: Process, redis_url: str
) -> None:
    keys = list(range(1, 41))
    prices = await process.cache.get_many(PRICES, keys, process.load)
    with Redis.from_url(redis_url) as redis:
        await until(lambda: len(redis.keys("c:*prices*")) == len(keys))
        redis.config_resetstat()
        assert await asyncio.gather(*map(other.price, keys)) == prices
        asked = redis.info("commandstats")
    assert asked["cmdstat_mget"]["calls"] == 1
    assert "cmdstat_evalsha" not in asked
    assert other.loads == []


@pytest.mark.usefixtures("_nobody_hurries")
async def test_in_a_cluster_too_what_redis_has_is_not_read_again(
    database: str, redis_cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = list(range(1, 41))
    async with (
        running(database, redis_cluster.url, is_cluster=True) as process,
        running(database, redis_cluster.url, is_cluster=True) as other,
    ):
        prices = await process.cache.get_many(PRICES, keys, process.load)
        (memory,) = process.cache._memories.values()
        async with asyncio.timeout(10):
            for place in map(memory.slots.of, keys):
                while await process.cache._shared.kept(place) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        # The script is for what is not there.
        monkeypatch.setattr(other.cache._shared, "get", None)
        assert await other.cache.get_many(PRICES, keys, other.load) == prices
        assert other.loads == []


async def test_a_reading_of_another_primary_is_neither_joined_nor_remembered(
    process: Process,
) -> None:
    has_read, may_end = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        has_read.set()
        await may_end.wait()

    process.before = wait
    early = asyncio.create_task(process.price(1))
    await has_read.wait()
    changes = process.cache.changes
    assert changes._running is not None
    changes._running.cancel()
    changes.generation = "promoted"
    changes.version += 1
    process.before = lambda: asyncio.sleep(0)
    assert await process.price(1) is not None
    assert len(process.loads) == 2
    (memory,) = process.cache._memories.values()
    entry = memory.entries[1]
    # Where its log has not come as far.
    entry.asof = 0
    may_end.set()
    await early
    assert memory.entries[1] is entry


async def test_whoever_listens_is_told_of_tags_and_the_fence_and_disturbs_nobody(
    process: Process, other: Process, connection: asyncpg.Connection
) -> None:
    told: list[tuple[set[str], int]] = []

    def fail(tags: Any, fence: int) -> None:
        raise RuntimeError

    other.cache.changes.listeners += [fail, lambda tags, fence: told.append((set(tags), fence))]
    seen = Horizon()
    token = horizon.set(seen)
    await process.reprice(1, 77)
    horizon.reset(token)
    await until(lambda: bool(told))
    (tags, fence) = told[0]
    assert "product-1" in tags
    # As the writer knows it, or, where the outbox was faster than the bus, a later one.
    assert fence >= seen.written
    # Whoever asks with it sees the change.
    token = horizon.set(Horizon(fence))
    assert await other.price(1) == 77
    horizon.reset(token)
    assert other.cache.is_heard
    await connection.execute("UPDATE products SET price_minor = 78 WHERE id = 2")
    await until(lambda: any("product-2" in tags for tags, _ in told))


async def test_whoever_listens_is_told_that_anything_may_be_void(
    process: Process, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    process.cache.changes.listeners.append(lambda tags, _: told.extend(tags))
    monkeypatch.setattr(changes_module, "MOST", 1)
    for key in range(2, 6):
        await connection.execute("UPDATE products SET price_minor = 5 WHERE id = $1", key)
    await until(lambda: changes_module.EVERYTHING in told)


async def test_transactions_are_known_by_their_numbers_no_longer_than_they_may_come_again(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = process.cache.changes
    await process.reprice(1, 77)
    await process.reprice(2, 78)
    await until(lambda: changes.count == 2)
    assert len(changes._heard) == 2
    monkeypatch.setattr(changes_module, "_REMEMBERED", 0.0)
    await until(lambda: not changes._heard)


@pytest.fixture
def _all_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "ONE_IN", 1)


async def audited(process: Process) -> tuple[int, int]:
    """Hits that were looked at, and those that were stale, as soon as no more is looked at."""
    await asyncio.gather(*process.cache._auditor._auditing)
    figures = process.cache.figures["prices"]
    return figures.audited, figures.stale


@pytest.mark.usefixtures("_all_is_audited")
async def test_a_change_that_tells_nobody_is_found_by_the_auditor(
    process: Process, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await process.price(1)
    await process.price(1)
    assert await audited(process) == (1, 0)
    # As a restore does it.
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE products SET price_minor = 77 WHERE id = 1")
    assert await process.price(1) != 77
    assert await audited(process) == (2, 1)
    assert "comanda cache flush prices" in caplog.text


@pytest.mark.usefixtures("_all_is_audited")
async def test_a_change_that_this_process_was_not_told_of_is_found_by_the_auditor(
    process: Process, other: Process
) -> None:
    await process.price(1)
    await process.cache._bus.close()
    await process.cache.changes.close()
    process.cache.changes.trusted_until = math.inf
    await other.reprice(1, 77)
    assert await process.price(1) != 77
    assert await audited(process) == (1, 1)


@pytest.mark.usefixtures("_all_is_audited")
async def test_changes_that_are_told_are_never_stale_to_the_auditor(
    process: Process, other: Process
) -> None:
    for price in range(1, 10):
        await other.reprice(1, price)
        for _ in range(3):
            await process.price(1)
            await asyncio.sleep(0.01)
    looked_at, stale = await audited(process)
    assert looked_at > 0
    assert stale == 0


@pytest.mark.usefixtures("_all_is_audited")
async def test_the_auditor_takes_no_more_than_it_can_and_outlives_a_source_that_fails(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor_module, "MOST", 2)
    may_end = asyncio.Event()
    await process.price(1)
    process.before = may_end.wait
    for _ in range(10):
        await process.price(1)
    await asyncio.sleep(0.1)
    assert len(process.audits) == 2
    may_end.set()
    assert await audited(process) == (2, 0)

    async def fail() -> None:
        raise UnavailableError("It is away.")

    process.before = fail
    await process.price(1)
    assert await audited(process) == (2, 0)


async def test_it_is_told_how_often_nobody_could_be_sure_and_what_the_outbox_told(
    process: Process, connection: asyncpg.Connection
) -> None:
    changes = process.cache.changes
    await process.reprice(1, 5)
    await process.price(1)
    await connection.execute("UPDATE products SET price_minor = 6 WHERE id = 1")
    await process.hears(1, 6)
    # Of the first one the outbox may have been told before the bus was.
    assert changes.count == 2
    assert changes.replayed in (1, 2)
    lapses = changes.lapses
    await process.cache._bus.close()
    for key in (2, 3):
        # What was just read needs nobody to be sure.
        changes.trusted_until = -math.inf
        await process.price(key)
    assert changes.lapses == lapses + 2


async def test_another_primary_is_another_cache(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.price(1)
    promoted = changes_module._LOOK.replace("current_database()", "current_database(), 'promoted'")
    new = changes_module._looked(promoted, changes_module._NEW_ONLY)
    known = changes_module._looked(promoted, changes_module._RECENT)
    monkeypatch.setattr(changes_module, "_NEW", new)
    monkeypatch.setattr(changes_module, "_KNOWN", known)
    await process.cache.changes.look()
    await process.price(1)
    assert len(process.loads) == 2


async def test_of_too_many_changes_everything_is_void(
    process: Process, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "MOST", 3)
    await process.price(1)
    for key in range(2, 10):
        await connection.execute("UPDATE products SET price_minor = 5 WHERE id = $1", key)
    async with asyncio.timeout(5):
        while len(process.loads) < 2:
            await process.price(1)
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("_nobody_hurries")
async def test_what_is_to_be_renewed_is_read_anew_by_one_while_all_go_on(
    process: Process, other: Process
) -> None:
    renewed = replace(PRICES, name="renewed", memory=0.0, renewed=0.05)
    may_end = asyncio.Event()
    # Both know of all that was before: neither finds too old what the other has read.
    await process.reprice(1, 77)
    await other.hears(1, 77)
    assert await process.price(1, renewed) == 77
    process.loads.clear()
    other.loads.clear()
    process.before = other.before = may_end.wait
    await asyncio.sleep(0.1)
    for _ in range(20):
        assert await process.price(1, renewed) == await other.price(1, renewed) == 77
    assert len(process.loads + other.loads) == 1
    may_end.set()


async def test_a_kind_takes_no_more_memory_than_it_is_given(process: Process) -> None:
    small = replace(PRICES, name="small", bytes=2000)
    for key in range(1, 50):
        await process.price(key, small)
    memory = process.cache._memories[small]
    assert 0 < memory.size <= 2000
    assert memory.figures.evicted > 0
    assert memory.size == sum(entry.size for entry in memory.entries.values())


TELLING = {
    "UPDATE products SET stock = stock - 1 WHERE id IN (1, 2)": {"product-1", "product-2"},
    "UPDATE products SET category_id = category_id % 2 + 1 WHERE id = 1": {"product-1", "menu"},
    "UPDATE products SET stock = stock WHERE id < 0": set(),
    "UPDATE categories SET name = name": {"categories"},
    "UPDATE cafeterias SET last_order_minutes = 5": {"hours"},
    "DELETE FROM opening_intervals": {"hours"},
    "DELETE FROM opening_exceptions": {"hours"},
    "INSERT INTO configuration (key, value) VALUES ('motd', '1')": {"configuration-motd"},
}


@pytest.mark.parametrize("statement", TELLING)
async def test_the_database_tells_of_whatever_is_changed(
    connection: asyncpg.Connection, statement: str
) -> None:
    await connection.execute("DELETE FROM outbox")
    await connection.execute(statement)
    tags = await connection.fetch("SELECT unnest(cache_tags) FROM outbox")
    assert {row[0] for row in tags} == TELLING[statement]


async def test_of_many_rows_one_tag_is_told(connection: asyncpg.Connection) -> None:
    await connection.execute("DELETE FROM outbox")
    await connection.execute(
        "INSERT INTO products (cafeteria_id, category_id, name, description, price_minor, stock)"
        " SELECT 1, 1, 'dish ' || n, '', 100, 1 FROM generate_series(1, 300) n"
    )
    (event,) = await connection.fetch("SELECT cache_tags FROM outbox")
    assert event["cache_tags"] == [kinds.PRODUCTS.tag, kinds.MENU.tag]


def test_every_kind_has_a_name_of_its_own() -> None:
    names = [kind.name for kind in kinds.KINDS]
    assert len(set(names)) == len(names)


@pytest.mark.usefixtures("_nobody_hurries")
async def test_a_transaction_that_takes_long_is_heard_of_when_it_ends(
    process: Process, connection: asyncpg.Connection
) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE products SET price_minor = 77 WHERE id = 1")
    for price in range(1, 4):
        # What began later is over earlier.
        await process.reprice(2, price)
        await process.cache.changes.look()
    assert await process.price(1) != 77
    await transaction.commit()
    await process.hears(1, 77)
    assert process.loads == [1, 1]


async def test_an_ordinary_role_may_look(
    process: Process, connection: asyncpg.Connection, database: str
) -> None:
    role = f"role_{uuid4().hex}"
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' IN ROLE pg_read_all_data")
    place = urlsplit(database)
    url = database.replace(place.netloc.rpartition("@")[0], f"{role}:{role}")
    ordinary = Cluster(url, [], Limits(least_connections=0))
    changes = changes_module.Changes(ordinary)
    await changes.look()
    assert (changes.is_trusted, changes.generation) == (True, process.cache.changes.generation)
    await changes.close()
    await ordinary.close()
    await connection.execute(f"DROP ROLE {role}")


async def test_an_operator_sees_why_a_value_is_served_and_has_it_read_anew(
    process: Process, connection: asyncpg.Connection
) -> None:
    async def verdict() -> str:
        return (await inspection.explain(process.cluster, process.nodes, PRICES, 1)).verdict

    assert "not in Redis" in await verdict()
    price = await process.price(1)
    assert await verdict() == "served"
    await connection.execute("UPDATE products SET price_minor = 77 WHERE id = 1")
    assert "too old" in await verdict()
    await process.hears(1, 77)
    assert price != 77
    process.loads.clear()
    await inspection.flush(process.database, PRICES)
    async with asyncio.timeout(5):
        while not process.loads:
            assert await process.price(1) == 77
            await asyncio.sleep(0.01)


async def test_what_is_forgotten_of_old_changes_is_no_new_one(
    process: Process, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.reprice(1, 7)
    assert await process.price(1) == 7
    changes = process.cache.changes
    changes.fences["long-ago"] = 1
    monkeypatch.setattr(changes_module, "TIDIED", 0.0)
    for price in range(10, 20):
        # Of a tag that is known, at the moment of tidying, and told by nobody.
        await connection.execute("UPDATE products SET price_minor = $1 WHERE id = 1", price)
        await changes.look()
        await process.hears(1, price)
    assert "long-ago" not in changes.fences
    assert "product-1" in changes.fences
