"""What is everybody's is made once, sent until it changes, and never a moment longer."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import brotli
import httpx
import pytest

from bff.representation import shared as shared_module
from bff.representation.answers import Wishes
from bff.representation.content import Content
from bff.representation.shared import VARY, WORTH, Made, Make, Shared
from bff.settings import Settings
from cdn import freshness
from domain.cache import changes
from domain.database import Horizon, horizon
from domain.database.statements import log
from domain.errors import NotFoundError
from tests.bff.test_orders import bearer, order
from tests.conftest import Serve
from tests.domain.cache.processes import PRICES, Process, running

MENU = "/api/products?limit=50"
GZIP = {"accept-encoding": "gzip"}
BROTLI = Wishes("br", None)
DISH = "/api/products/1"
ALONE = (DISH, "/api/categories/1", "/api/cafeterias/1")


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is encoded anew, by a process that is never too busy to hear of changes."""
    monkeypatch.setattr(changes, "TRUST", 60.0)
    made: list[bytes] = []

    def content(body: bytes, version: str | None) -> Content:
        made.append(body)
        return Content(body, version)

    monkeypatch.setattr(shared_module, "Content", content)
    return made


@contextmanager
def statements(about: str) -> Iterator[list[str]]:
    """What is asked of the database about a table."""
    sent: list[str] = []

    def count(record: logging.LogRecord) -> bool:
        if about in record.getMessage():
            sent.append(record.getMessage())
        return False

    level = log.level
    log.setLevel(logging.DEBUG)
    log.addFilter(count)
    yield sent
    log.removeFilter(count)
    log.setLevel(level)


def lasting(answer: httpx.Response) -> dict[str, str]:
    """The headers, but for what is of the request alone."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


class Slow:
    """A making that has read the first price, and goes on when it may."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.has_read, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def make(self) -> Made:
        made = await told(self._process, 1)
        self.has_read.set()
        await self.may_go_on.wait()
        return made


async def test_what_is_ready_takes_no_statement_and_is_encoded_once(
    client: httpx.AsyncClient, bodies: list[bytes]
) -> None:
    with statements("FROM products") as sent:
        first = await client.get(MENU, headers=GZIP)
    assert sent
    known = GZIP | {"if-none-match": first.headers["etag"]}
    with statements("FROM products") as sent:
        for _ in range(10):
            again = await client.get(MENU, headers=GZIP)
            assert (lasting(again), again.content) == (lasting(first), first.content)
            assert (await client.get(MENU, headers=known)).status_code == 304
            # Neither does it matter how the same is asked.
            other = await client.get("/api/products?sort=id&page=1&limit=50", headers=known)
            assert other.status_code == 304
    assert sent == []
    assert len(bodies) == 1


@pytest.mark.parametrize("url", ALONE)
async def test_one_by_itself_is_as_ready_as_a_list(
    client: httpx.AsyncClient, bodies: list[bytes], url: str
) -> None:
    first = await client.get(url, headers=GZIP)
    assert (first.headers["cache-control"], first.headers["vary"]) == (freshness.VERSIONED, VARY)
    known = GZIP | {"if-none-match": first.headers["etag"]}
    with statements("FROM") as sent:
        for _ in range(10):
            again = await client.get(url, headers=GZIP)
            assert (lasting(again), again.content) == (lasting(first), first.content)
            head = await client.head(url, headers=GZIP)
            assert (lasting(head), head.content) == (lasting(first), b"")
            assert (await client.get(url, headers=known)).status_code == 304
    assert sent == []
    assert len(bodies) == 1


@pytest.mark.parametrize("accepted", ["identity", "gzip", "br", "zstd"])
async def test_what_everybody_may_keep_is_changed_by_its_tag_in_whatever_coding_it_came(
    client: httpx.AsyncClient, accepted: str
) -> None:
    staff = await bearer(client, "staff1")
    long = {"description": "con pollo, conejo y judías verdes; " * 20}
    await client.patch(DISH, json=long, headers=staff | {"if-match": "*"})
    found = await client.get(DISH, headers={"accept-encoding": accepted})
    # Who may change it is not told by a cache of their own what it was.
    assert found.headers["cache-control"] == freshness.VERSIONED
    assert found.headers.get("content-encoding", "identity") == accepted
    seen = staff | {"if-match": found.headers["etag"]}
    for status in (200, 412):
        changed = await client.patch(DISH, json={"stock": 9}, headers=seen)
        assert changed.status_code == status


async def test_what_was_coded_as_well_as_can_be_is_changed_by_its_tag_too(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_module, "WORTH", 0)
    staff = await bearer(client, "staff1")
    long = {"description": " ".join(str(number**5) for number in range(150))}
    await client.patch(DISH, json=long, headers=staff | {"if-match": "*"})
    async with asyncio.timeout(30):
        while True:
            found = await client.get(DISH, headers={"accept-encoding": "br"})
            if found.headers["etag"].endswith('-br+"'):
                break
            await asyncio.sleep(0.01)
    seen = staff | {"if-match": found.headers["etag"]}
    changed = await client.patch(DISH, json={"stock": 9}, headers=seen)
    assert changed.status_code == 200


async def test_what_was_withdrawn_is_ready_for_nobody(
    client: httpx.AsyncClient, bodies: list[bytes]
) -> None:
    for _ in range(2):
        assert (await client.get(DISH)).status_code == 200
    assert len(bodies) == 1
    staff = await bearer(client, "staff1") | {"if-match": "*"}
    assert (await client.delete(DISH, headers=staff)).status_code == 204
    for method in ("GET", "HEAD", "GET"):
        gone = await client.request(method, DISH)
        assert (gone.status_code, gone.headers["cache-control"]) == (404, "no-store")
    assert len(bodies) == 1


async def test_who_changed_one_sees_it_at_once_wherever_they_ask(
    client: httpx.AsyncClient, serve: Serve, settings: Settings, bodies: list[bytes]
) -> None:
    staff = await bearer(client, "staff1")
    async with serve(settings) as other:
        for times, price in enumerate(("1.11", "2.22", "3.33"), start=1):
            for each in (other, client):
                found = await each.get(DISH)
            assert len(bodies) == 2 * times
            seen = staff | {"if-match": found.headers["etag"]}
            changed = await client.patch(DISH, json={"price": price}, headers=seen)
            fence = {"comanda-fence": changed.headers["comanda-fence"]}
            for each in (other, client):
                assert (await each.get(DISH, headers=fence)).json() == changed.json()
            # Where it was changed, it is known without that.
            assert (await client.get(DISH)).json() == changed.json()


async def test_a_door_by_itself_is_told_no_longer_than_until_it_turns(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Made] = []
    get = Shared.get

    async def noted(shared: Shared, key: str, make: Make) -> Any:
        made.append(await make())
        return await get(shared, key, make)

    monkeypatch.setattr(Shared, "get", noted)
    for key in range(1, 6):
        turns = (await client.get(f"/api/cafeterias/{key}")).json()["nextChange"]
        assert made[-1].until == (turns and datetime.fromisoformat(turns))
    assert len({each.until for each in made}) > 1


async def test_a_crowd_has_it_made_once(client: httpx.AsyncClient, bodies: list[bytes]) -> None:
    crowd = await asyncio.gather(*(client.get(MENU, headers=GZIP) for _ in range(50)))
    assert len({answer.content for answer in crowd}) == 1
    assert len(bodies) == 1


async def test_a_price_that_changes_is_told_to_everybody_who_has_the_old_one(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    old = await client.get(MENU, headers=GZIP)
    other = await client.get("/api/categories", headers=GZIP)
    await connection.execute("UPDATE products SET price_minor = 4711 WHERE id = 7")
    known = GZIP | {"if-none-match": old.headers["etag"]}
    async with asyncio.timeout(30):
        while True:
            new = await client.get(MENU, headers=known)
            if new.status_code == 200:
                break
            # What is ready takes the loop from nobody, and so gives it to nobody.
            await asyncio.sleep(0.01)
    prices = {each["id"]: each["price"] for each in new.json()["data"]}
    assert prices[7] == "47.11"
    assert new.headers["etag"] != old.headers["etag"]
    known = GZIP | {"if-none-match": other.headers["etag"]}
    assert (await client.get("/api/categories", headers=known)).status_code == 304
    await connection.execute("UPDATE products SET price_minor = price_minor + 0 WHERE id = 7")
    # Nothing is different, so nothing is sent.
    known = GZIP | {"if-none-match": new.headers["etag"]}
    for _ in range(20):
        assert (await client.get(MENU, headers=known)).status_code == 304
        await asyncio.sleep(0.05)


async def test_who_has_written_is_never_sent_what_was_before(client: httpx.AsyncClient) -> None:
    student = await bearer(client, "student1")
    url = "/api/products?cafeteriaId=1&available=true&limit=1&fields=id,stock"
    for _ in range(5):
        (product,) = (await client.get(url)).json()["data"]
        basket = {"cafeteriaId": 1, "items": [{"productId": product["id"], "quantity": 1}]}
        placed = await order(client, student, basket)
        assert placed.status_code == 201
        fence = {"comanda-fence": placed.headers["comanda-fence"]}
        answer = await client.get(url, headers=fence)
        assert answer.json()["data"][0]["stock"] == product["stock"] - 1
        assert "Comanda-Fence" in answer.headers["vary"]


@pytest.fixture
async def process(database: str, redis_url: str) -> AsyncIterator[Process]:
    async with running(database, redis_url) as process:
        yield process


@pytest.fixture
async def shared(process: Process) -> AsyncIterator[Shared]:
    shared = Shared(process.cache, most_bytes=100_000)
    yield shared
    await shared.close()


async def told(process: Process, key: int, padding: int = 0) -> Made:
    price = await process.cache.get(PRICES, key, process.load)
    return Made({"price": price, "padding": "x" * padding})


async def test_what_is_kept_is_bounded_and_what_is_asked_for_stays(
    process: Process, shared: Shared
) -> None:
    async def get(key: int) -> object:
        return await shared.get(f"answer {key}", lambda: told(process, key, 5_000))

    often = await get(1)
    for key in range(2, 40):
        await get(key)
        assert await get(1) is often
        assert shared.size <= 100_000
    # And what is larger than all of it is made each time.
    huge = [await shared.get("huge", lambda: told(process, 1, 200_000)) for _ in range(2)]
    assert huge[0] is not huge[1]
    assert shared.size <= 100_000


@pytest.mark.parametrize("characters", [60, 250, 20_000])
async def test_however_an_answer_is_wished_for_it_takes_no_more_than_is_counted(
    process: Process, shared: Shared, characters: int
) -> None:
    kept = await shared.get("answer", lambda: told(process, 1))
    # What any wish makes of it is made.
    shared.reply(kept, Wishes(None, None))
    tracemalloc.start()
    try:
        for number in range(500):
            shared.reply(kept, Wishes(None, f"{number:0{characters}}"))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < kept.size
    assert shared.size == kept.size


async def test_a_change_after_the_reading_is_not_lost_on_what_was_made_of_it(
    process: Process, shared: Shared
) -> None:
    slow = Slow(process)

    making = asyncio.create_task(shared.get("answer", slow.make))
    await slow.has_read.wait()
    await process.reprice(1, 4711)
    slow.may_go_on.set()
    await making
    new = await shared.get("answer", lambda: told(process, 1))
    assert b"4711" in new.content.plain.body


async def test_what_was_made_anew_of_one_change_is_as_ready_as_before(
    process: Process, shared: Shared
) -> None:
    async def both() -> Made:
        return Made([await process.price(key) for key in (1, 2)])

    await shared.get("answer", both)
    await process.reprice(1, 4713)
    # The other price was read long before that.
    new = await shared.get("answer", both)
    assert b"4713" in new.content.plain.body
    assert await shared.get("answer", both) is new
    await process.reprice(2, 4714)
    assert b"4714" in (await shared.get("answer", both)).content.plain.body


async def test_nobody_joins_a_making_that_began_before_their_own_write(
    process: Process, shared: Shared
) -> None:
    slow = Slow(process)

    making = asyncio.create_task(shared.get("answer", slow.make))
    await slow.has_read.wait()
    seen = Horizon()
    token = horizon.set(seen)
    await process.reprice(1, 4712)
    horizon.set(Horizon(seen.written))
    made: list[int] = []

    async def anew() -> Made:
        made.append(1)
        return await told(process, 1)

    mine = [asyncio.create_task(shared.get("answer", anew)) for _ in range(5)]
    await asyncio.sleep(0)
    slow.may_go_on.set()
    await making
    for each in await asyncio.gather(*mine):
        assert b"4712" in each.content.plain.body
    assert len(made) == 1
    horizon.reset(token)


async def test_who_has_to_see_more_is_not_given_what_somebody_else_began(
    process: Process, shared: Shared
) -> None:
    slow = Slow(process)

    async def mine() -> Made:
        return Made("mine")

    making = asyncio.create_task(shared.get("answer", slow.make))
    await slow.has_read.wait()
    # Of somebody who has written nothing, and is there first when that is over.
    flight = shared._flights["answer"]
    flight.add_done_callback(lambda _: shared._fly("answer", lambda: told(process, 1)) and None)
    token = horizon.set(Horizon(2**62))
    asked = asyncio.create_task(shared.get("answer", mine))
    horizon.reset(token)
    await asyncio.sleep(0)
    slow.may_go_on.set()
    await making
    assert (await asked).content.plain.body == b'"mine"'


async def test_what_was_not_there_as_somebody_else_asked_may_be_there_by_now(
    process: Process, shared: Shared
) -> None:
    go_on = asyncio.Event()

    async def none_yet() -> Made:
        await go_on.wait()
        raise NotFoundError("product", 1)

    theirs = asyncio.create_task(shared.get("answer", none_yet))
    await asyncio.sleep(0)
    mine = asyncio.create_task(shared.get("answer", lambda: told(process, 1)))
    await asyncio.sleep(0)
    go_on.set()
    assert (await mine).content.plain.body
    with pytest.raises(NotFoundError):
        await theirs


async def test_what_turns_while_it_is_made_is_not_kept(process: Process, shared: Shared) -> None:
    async def slowly() -> Made:
        until = datetime.now(UTC) + timedelta(seconds=0.2)
        made = await told(process, 1)
        await asyncio.sleep(0.3)
        return made._replace(until=until)

    assert await shared.get("answer", slowly) is not await shared.get("answer", slowly)


async def test_what_reads_nothing_of_the_cache_is_not_kept(
    process: Process, shared: Shared
) -> None:
    await process.price(1)

    async def made() -> Made:
        return Made({"now": 1})

    assert await shared.get("answer", made) is not await shared.get("answer", made)


async def test_a_failure_is_told_to_all_who_wait_and_forgotten(
    process: Process, shared: Shared
) -> None:
    async def fails() -> Made:
        raise ValueError

    crowd = [shared.get("answer", fails) for _ in range(5)]
    failed = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(each) for each in failed] == [ValueError] * 5
    assert (await shared.get("answer", lambda: told(process, 1))).content.plain.body


async def test_who_goes_away_takes_nothing_from_the_others(
    process: Process, shared: Shared
) -> None:
    go_on = asyncio.Event()

    async def slowly() -> Made:
        await go_on.wait()
        return await told(process, 1)

    first, second, third = (asyncio.create_task(shared.get("answer", slowly)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert (await third).content.plain.body


async def test_what_turns_by_itself_is_kept_by_nobody_beyond_that(
    process: Process, shared: Shared
) -> None:
    async def turns(after: float) -> Any:
        async def make() -> Made:
            made = await told(process, 1)
            return made._replace(until=datetime.now(UTC) + timedelta(seconds=after))

        return await shared.get(f"answer {after}", make)

    def control(kept: Any) -> str:
        headers = dict(kept.reply(Wishes(None, None)).found[1])
        return str(headers[b"cache-control"].decode())

    long, short = await turns(3600), await turns(11)
    # Whoever gets it in the last moment that it is sent has it for so long, and no longer.
    assert control(long) == "public, max-age=15, s-maxage=15"
    assert control(short) == "public, max-age=5, s-maxage=5"
    assert 0 < short.expires - asyncio.get_running_loop().time() <= 6
    assert await turns(-1) is not await turns(-1)


async def test_what_is_sent_often_is_coded_as_well_as_can_be(
    process: Process, shared: Shared
) -> None:
    async def make() -> Made:
        price = await process.cache.get(PRICES, 1, process.load)
        return Made([{"id": key, "name": str(key**5), "price": price} for key in range(500)])

    kept = await shared.get("answer", make)
    status, head, live = shared.reply(kept, BROTLI)
    assert status == 200
    known = dict(head)[b"etag"].decode()
    async with asyncio.timeout(30):
        while len(shared.reply(kept, BROTLI)[2]) == len(live):
            assert kept.sent <= WORTH or shared.is_settling
            await asyncio.sleep(0.01)
    status, head, best = shared.reply(kept, BROTLI)
    assert len(best) < len(live)
    assert brotli.decompress(best) == brotli.decompress(live) == kept.content.plain.body
    # Other bytes have another strong tag; who has the others has what it is.
    assert dict(head)[b"etag"].decode() != known
    assert shared.reply(kept, Wishes("br", known))[0] == 304
