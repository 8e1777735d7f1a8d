"""What a crash or a failure leaves in the outbox is seen to, once it is anybody's."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest

from domain import events, sweeper
from domain.database import Cluster, Database, Limits
from domain.events import Event, Feed, Outbox, Relay, Told
from domain.redis import AwayError
from domain.sweeper import sweep
from tests.serving import Proxy

WRITE = "INSERT INTO outbox (kind, payload) VALUES ('told', '{\"n\": 1}') RETURNING id"
GRACE_IS_OVER = "UPDATE outbox SET due_at = now()"


async def test_an_event_is_seen_to_after_its_grace_until_a_handler_comes_through(
    campus: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PATIENCE", 0.05)
    seen: list[Event] = []

    async def handler(event: Event) -> None:
        seen.append(event)
        if event.attempt == 1:
            raise RuntimeError("broken")
        if event.attempt == 2:
            await asyncio.Event().wait()

    relay = Relay(Outbox(campus), {"told": handler})
    await connection.execute("INSERT INTO outbox (kind, payload) VALUES ('other', '{}')")
    event_id = await connection.fetchval(WRITE)
    # It is its writer's.
    assert await relay.round() == 0
    for pause in (60, 120):
        await connection.execute(GRACE_IS_OVER)
        assert await relay.round() == 1
        # Nobody takes it up at once.
        assert await relay.round() == 0
        left, due_in = await connection.fetchrow(
            "SELECT delivered_at IS NULL, extract(epoch FROM due_at - now())::int"
            " FROM outbox WHERE id = $1",
            event_id,
        )
        assert left
        assert pause / 2 < due_in <= pause
    await connection.execute(GRACE_IS_OVER)
    assert await relay.round() == 1
    assert seen == [Event(event_id, "told", {"n": 1}, attempt) for attempt in (1, 2, 3)]
    await connection.execute(GRACE_IS_OVER)
    assert await relay.round() == 0
    assert await connection.fetch("SELECT kind FROM outbox WHERE delivered_at IS NULL") == [
        ("other",)
    ]


async def test_an_event_that_never_comes_through_holds_up_no_other_and_is_an_error(
    campus: Database, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    async def handler(event: Event) -> None:
        seen.append(event.id)
        if event.id in poisoned:
            raise RuntimeError("broken")

    poisoned = [await connection.fetchval(WRITE) for _ in range(2 * events.BATCH)]
    await connection.execute("UPDATE outbox SET due_at = now(), attempts = 9")
    good = await connection.fetchval(WRITE)
    await connection.execute("UPDATE outbox SET due_at = now() WHERE id = $1", good)
    relay = Relay(Outbox(campus), {"told": handler})
    while await relay.round() == events.BATCH:
        pass
    assert sorted(seen) == [*poisoned, good]
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    left = "SELECT count(*), extract(epoch FROM max(due_at) - now())::int FROM outbox"
    (count, pause) = await connection.fetchrow(f"{left} WHERE delivered_at IS NULL")
    assert count == len(poisoned)
    assert 900 < pause <= 960


async def test_what_came_through_is_noted_though_the_rest_is_broken_off(
    campus: Database, connection: asyncpg.Connection
) -> None:
    first, last = [await connection.fetchval(WRITE) for _ in range(2)]
    await connection.execute(GRACE_IS_OVER)
    through, in_hand = asyncio.Event(), asyncio.Event()

    async def handler(event: Event) -> None:
        if event.id == first:
            through.set()
            return
        await through.wait()
        in_hand.set()
        await asyncio.Event().wait()

    relay = Relay(Outbox(campus), {"told": handler})
    relay.start()
    async with asyncio.timeout(30):
        await in_hand.wait()
        await relay.close()
    left = await connection.fetch("SELECT id FROM outbox WHERE delivered_at IS NULL")
    assert [row["id"] for row in left] == [last]


async def test_an_event_that_another_process_is_taking_is_not_waited_for(
    campus: Database, connection: asyncpg.Connection
) -> None:
    await connection.execute(WRITE)
    await connection.execute(GRACE_IS_OVER)
    async with connection.transaction():
        await connection.execute("SELECT FROM outbox FOR UPDATE")
        assert await Outbox(campus).take(["told"]) == []
    (taken,) = await Outbox(campus).take(["told"])
    assert await Outbox(campus).take(["told"]) == []
    await Outbox(campus).delivered(taken.id)


async def test_what_was_delivered_is_swept_after_a_week_and_what_was_not_never(
    campus: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 3)
    await connection.execute(
        "INSERT INTO outbox (kind, payload, created_at, delivered_at)"
        " SELECT coalesce(day::text, 'never'), '{}', now() - interval '1 year',"
        " now() - day * interval '1 day'"
        " FROM unnest(ARRAY[6, 8, 9, 10, 11, NULL]) AS day"
    )
    assert await sweep(campus, events.KEPT) == 4
    kinds = await connection.fetch("SELECT kind FROM outbox WHERE cache_tags = '{}' ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["6", "never"]


async def test_a_relay_waits_for_a_database_that_is_away(
    database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "POLL", 0.05)
    await connection.execute(WRITE)
    await connection.execute(GRACE_IS_OVER)
    place = urlsplit(database)
    proxy = Proxy(str(place.hostname), int(place.port or 5432))
    cluster = Cluster(
        database.replace(f":{place.port}/", f":{proxy.port}/"), [], Limits(connect_timeout=0.5)
    )
    waited, seen = asyncio.Event(), asyncio.Event()
    round_ = Relay.round

    async def watched(relay: Relay) -> int:
        try:
            return await round_(relay)
        finally:
            waited.set()

    async def handler(_: Event) -> None:
        seen.set()

    monkeypatch.setattr(Relay, "round", watched)
    relay = Relay(Outbox(Database(cluster)), {"told": handler})
    relay.start()
    async with asyncio.timeout(30):
        await waited.wait()
        assert not seen.is_set()
        await proxy.up()
        await seen.wait()
    await relay.close()
    await cluster.close()
    await proxy.down()


async def written(connection: asyncpg.Connection, kind: str, n: int, ago: str = "0 s") -> int:
    event: int = await connection.fetchval(
        "INSERT INTO outbox (kind, payload, created_at)"
        " VALUES ($1, jsonb_build_object('n', $2::int), now() - $3::text::interval) RETURNING id",
        kind,
        n,
        ago,
    )
    return event


async def test_events_are_told_once_in_the_order_in_which_they_were_written(
    campus: Database, connection: asyncpg.Connection
) -> None:
    told: list[Told] = []

    async def tell(events: Sequence[Told]) -> None:
        told.extend(events)

    feed = Feed(Outbox(campus), ["a", "b"], tell)
    for n, kind in enumerate(("b", "a", "other", "b")):
        await written(connection, kind, n)
    # What is of an hour ago is no news to anybody.
    await written(connection, "a", 9, "1 hour")
    assert await feed.round() == 4
    assert [each.payload["n"] for each in told] == [0, 1, 3]
    assert await feed.round() == 0
    left = await connection.fetch("SELECT kind FROM outbox WHERE delivered_at IS NULL")
    assert [row["kind"] for row in left] == ["other"]


async def test_whoever_has_read_as_far_as_its_fence_has_seen_what_is_told(
    campus: Database, cluster: Cluster, connection: asyncpg.Connection
) -> None:
    before = await connection.fetchval("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
    await written(connection, "a", 1)
    fences: list[int] = []

    async def tell(events: Sequence[Told]) -> None:
        fences.extend(each.fence for each in events)

    await Feed(Outbox(campus), ["a"], tell).round()
    assert before < fences[0] <= await cluster.look()


async def test_what_could_not_be_told_comes_first_the_next_time(
    campus: Database, connection: asyncpg.Connection
) -> None:
    tries: list[list[int]] = []

    async def tell(events: Sequence[Told]) -> None:
        tries.append([each.payload["n"] for each in events])
        if len(tries) == 1:
            raise AwayError("no Redis")

    feed = Feed(Outbox(campus), ["a"], tell)
    await written(connection, "a", 1)
    with pytest.raises(AwayError):
        await feed.round()
    await written(connection, "a", 2)
    await feed.round()
    assert tries == [[1], [1, 2]]


async def test_two_processes_never_tell_at_once(
    campus: Database, connection: asyncpg.Connection
) -> None:
    told: list[int] = []
    telling, going_on = asyncio.Event(), asyncio.Event()

    async def slowly(events: Sequence[Told]) -> None:
        telling.set()
        await going_on.wait()
        told.extend(each.payload["n"] for each in events)

    async def tell(events: Sequence[Told]) -> None:
        told.extend(each.payload["n"] for each in events)

    await written(connection, "a", 1)
    first = asyncio.create_task(Feed(Outbox(campus), ["a"], slowly).round())
    await telling.wait()
    await written(connection, "a", 2)
    second = asyncio.create_task(Feed(Outbox(campus), ["a"], tell).round())
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not await connection.fetchval(waiting):
        pass
    going_on.set()
    await asyncio.gather(first, second)
    assert told == [1, 2]


async def test_what_was_told_lately_is_told_again_and_what_was_not_is_left(
    campus: Database, connection: asyncpg.Connection
) -> None:
    told: list[int] = []

    async def tell(events: Sequence[Told]) -> None:
        told.extend(each.payload["n"] for each in events)

    feed = Feed(Outbox(campus), ["a"], tell)
    for n in (1, 2):
        event = await written(connection, "a", n)
        await feed.round()
    await connection.execute(
        "UPDATE outbox SET delivered_at = now() - interval '20 s' WHERE id < $1", event
    )
    feed.again(timedelta(seconds=10))
    await feed.round()
    assert told == [1, 2, 2]


async def test_a_feed_is_hurried_and_looks_for_what_others_have_left(
    campus: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: asyncio.Queue[int] = asyncio.Queue()

    async def tell(events: Sequence[Told]) -> None:
        for each in events:
            told.put_nowait(each.payload["n"])

    monkeypatch.setattr(events, "LOOK", 0.01)
    feed = Feed(Outbox(campus), ["a"], tell)
    feed.start()
    async with asyncio.timeout(30):
        await written(connection, "a", 1)
        assert await told.get() == 1
        monkeypatch.setattr(events, "LOOK", 3600.0)
        await written(connection, "a", 2)
        feed.hurry()
        assert await told.get() == 2
    await feed.close()
