"""Who is refused and who is not, when more is asked for than there is time for."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from typing import cast

import pytest
from litestar.types import HTTPScope

from cdn import freshness
from cdn.address import Format, Variant, original_key, resolve
from imaging import origin as origin_module
from imaging.intake import NewPicture
from imaging.memory import Memory
from imaging.origin import MOST_LOOKUPS, MOST_READS, Known, Origin
from imaging.shelves import Shelves, level_key
from imaging.workers import Limits, OverloadedError, Place, Priority, Workers

WHOLE, LEVEL = (2000, 1500), (1000, 750)
FACTS = NewPicture("ab12", "ab12.0f", *WHOLE, "", "#000000", (LEVEL,), datetime.now(UTC))
KNOWN = Known(FACTS, inf)
CROWD = 500


class Catalogue:
    """Knows one picture, and says so when it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.may_answer = asyncio.Event()

    async def picture(self, product_id: int) -> NewPicture:
        self.asked.append(product_id)
        await self.may_answer.wait()
        return FACTS


class Idle(Workers):
    """No process is started, so that whatever is let in stays inside."""

    def __init__(self) -> None:
        super().__init__(Limits(processes=1, patience=60.0))
        self.admitted: list[tuple[int, Priority]] = []

    @contextmanager
    def admit(self, pixels: int, priority: Priority = Priority.INTERACTIVE) -> Iterator[Place]:
        self.admitted.append((pixels, priority))
        with super().admit(pixels, priority) as place:
            yield place


@pytest.fixture
async def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
async def workers() -> Idle:
    return Idle()


@pytest.fixture
def memory() -> Memory:
    return Memory(1_000_000)


@pytest.fixture
async def origin(catalogue: Catalogue, shelves: Shelves, workers: Idle, memory: Memory) -> Origin:
    return Origin(catalogue, shelves, workers, memory)


@pytest.fixture
def held(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], asyncio.Event]:
    """The variants that the shelf is asked for, and when it answers, with each of them."""
    asked: list[str] = []
    may_answer = asyncio.Event()

    async def variant(key: str) -> bytes:
        asked.append(key)
        await may_answer.wait()
        return b"kept"

    monkeypatch.setattr(shelves, "variant", variant)
    return asked, may_answer


def cold(count: int) -> list[Variant]:
    return [resolve(number, "w=320&fm=webp&v=ab12") for number in range(1, count + 1)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the store is another process
            await asyncio.sleep(0.005)


async def refused(tasks: list[asyncio.Task[object]]) -> int:
    """How many are, before anything has answered."""
    for _ in range(10):
        await asyncio.sleep(0)
    done = [each for each in tasks if each.done()]
    assert all(isinstance(each.exception(), OverloadedError) for each in done)
    return len(done)


async def test_a_crowd_is_refused_before_it_queues_for_the_shelf(
    origin: Origin, memory: Memory, held: tuple[list[str], asyncio.Event]
) -> None:
    asked, may_answer = held
    variants = cold(CROWD)
    ready = resolve(1, "w=64&fm=webp&v=ab12")
    memory.keep(ready.key, b"ready")
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(origin.serve(each, KNOWN)) for each in variants
    ]
    assert await refused(tasks) == CROWD - MOST_READS
    assert len(asked) == MOST_READS
    # Another is told before anything is begun; what is coming, or there, is not refused.
    with pytest.raises(OverloadedError):
        origin.check_room([variants[-1]])
    for welcome in (variants[0], ready):
        origin.check_room([variants[-1], welcome])
    joining = asyncio.create_task(origin.serve(variants[0], KNOWN))
    assert (await origin.serve(ready, KNOWN)).body == b"ready"
    avif = resolve(1, "w=64&fm=avif&v=ab12")
    stand_in = await origin.serve_ready(avif, [avif.instead(Format.WEBP)], KNOWN)
    assert stand_in.body == b"ready"
    may_answer.set()
    assert (await joining).origin == "shelf"
    assert len(await asyncio.gather(*tasks, return_exceptions=True)) == CROWD
    assert len(asked) == MOST_READS


async def test_the_background_leaves_half_of_the_shelf_to_people(
    origin: Origin, held: tuple[list[str], asyncio.Event]
) -> None:
    asked, may_answer = held
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(origin.make(each, FACTS)) for each in cold(MOST_READS)
    ]
    assert await refused(tasks) == MOST_READS - MOST_READS // 2
    assert len(asked) == MOST_READS // 2
    may_answer.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_crowd_is_refused_before_it_queues_for_the_database(
    origin: Origin, catalogue: Catalogue
) -> None:
    catalogue.may_answer.set()
    for product in range(1, MOST_LOOKUPS + 2):
        await origin.facts(product, None)
    catalogue.may_answer.clear()
    catalogue.asked.clear()

    strangers: list[asyncio.Task[object]] = [
        asyncio.create_task(origin.facts(product, None)) for product in range(1000, 1000 + CROWD)
    ]
    assert await refused(strangers) == CROWD - MOST_LOOKUPS // 2
    # What was shown before goes on being looked up, and then being believed for a moment.
    known = [
        asyncio.create_task(origin.facts(product, None)) for product in range(1, MOST_LOOKUPS + 2)
    ]
    assert (await known[-1]).facts is FACTS
    assert len(catalogue.asked) == MOST_LOOKUPS
    joining = asyncio.create_task(origin.facts(1000, None))
    catalogue.may_answer.set()
    assert (await joining).facts is FACTS
    await asyncio.gather(*strangers, *known, return_exceptions=True)


async def test_in_a_storm_a_version_that_was_known_a_while_ago_is_still_believed_in(
    origin: Origin, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin_module, "TRUST", 0.0)
    catalogue.may_answer.set()
    for product in range(1, MOST_LOOKUPS + 3):
        await origin.facts(product, None)
    catalogue.may_answer.clear()
    known = range(3, MOST_LOOKUPS + 3)
    storm: list[asyncio.Task[object]] = [
        asyncio.create_task(origin.facts(product, None)) for product in known
    ]
    await asyncio.sleep(0)
    stale = await origin.facts(1, FACTS.version)
    # The last purge may be over, after which nobody is to keep anything.
    assert (stale.facts, stale.sure) == (FACTS, False)
    # A URL without a version would have a CDN keep what may have been replaced.
    for version in (None, "other"):
        with pytest.raises(OverloadedError):
            await origin.facts(1, version)
    monkeypatch.setattr(origin_module, "STORM_TRUST", 0.0)
    with pytest.raises(OverloadedError):
        await origin.facts(1, FACTS.version)
    catalogue.may_answer.set()
    await asyncio.gather(*storm, return_exceptions=True)


async def test_no_more_is_looked_up_than_there_are_connections(
    catalogue: Catalogue, shelves: Shelves, workers: Idle, memory: Memory
) -> None:
    origin = Origin(catalogue, shelves, workers, memory, most_lookups=4)
    crowd: list[asyncio.Task[object]] = [
        asyncio.create_task(origin.facts(product, None)) for product in range(1, 11)
    ]
    assert await refused(crowd) == 8  # two are left for products shown before
    catalogue.may_answer.set()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert len(catalogue.asked) == 2


async def test_a_stored_variant_is_served_when_no_more_can_be_rendered(
    origin: Origin, workers: Idle, shelves: Shelves
) -> None:
    stored, missing = cold(2)
    await shelves.keep_variant(stored, b"stored")
    with workers.admit(Limits().queue_pixels):
        assert (await origin.serve(stored, KNOWN)).body == b"stored"
        with pytest.raises(OverloadedError):
            await origin.serve(missing, KNOWN)


@pytest.mark.parametrize("missing", [False, True])
async def test_a_picture_counts_by_the_pixels_that_it_is_made_from(
    origin: Origin, workers: Idle, shelves: Shelves, missing: bool
) -> None:
    (variant,) = cold(1)
    await shelves.keep_original(original_key(1, FACTS.original), b"whole", "image/jpeg")
    if not missing:
        await shelves.keep_original(level_key(1, FACTS.original, LEVEL), b"level", "image/jpeg")
    asking = asyncio.create_task(origin.serve(variant, KNOWN))
    await until(lambda: workers.metrics.waiting == 1)
    assert workers.admitted == [(LEVEL[0] * LEVEL[1], Priority.INTERACTIVE)]
    width, height = WHOLE if missing else LEVEL
    assert workers.metrics.pixels == width * height
    asking.cancel()
    await asyncio.wait({asking})


async def test_upgrades_are_few_go_behind_people_and_are_tried_again(
    origin: Origin,
    workers: Idle,
    shelves: Shelves,
    memory: Memory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(origin_module, "MOST_UPGRADES", 1)
    first, second = (resolve(number, "w=320&fm=avif&v=ab12") for number in (1, 2))
    await shelves.keep_original(level_key(1, FACTS.original, LEVEL), b"level", "image/jpeg")

    async def ask(avif: Variant, known: Known = KNOWN) -> None:
        webp = avif.instead(Format.WEBP)
        memory.keep(webp.key, b"ready")
        assert (await origin.serve_ready(avif, [webp], known)).variant == webp

    nothing = asyncio.all_tasks()
    # Of what may have been taken down there is nothing to be made.
    await ask(first, KNOWN._replace(sure=False))
    assert asyncio.all_tasks() == nothing
    await ask(first)
    await until(lambda: workers.metrics.waiting == 1)
    under_way = asyncio.all_tasks()
    await ask(first)
    await ask(second)
    assert asyncio.all_tasks() == under_way
    behind = (LEVEL[0] * LEVEL[1], Priority.BACKGROUND)
    assert workers.admitted == [behind]
    await workers.close()
    await until(lambda: workers.metrics.pixels == 0)
    await ask(second)
    await until(lambda: len(workers.admitted) == 2)
    assert Counter(workers.admitted) == {behind: 2}
    await origin.close()


async def test_what_is_forgotten_is_not_in_memory_and_nobody_is_told_that_theirs_will_do(
    origin: Origin, memory: Memory
) -> None:
    mine, other = cold(2)
    for each in (mine, other):
        memory.keep(each.key, b"ready")
    asked = {"method": "GET", "raw_path": f"/{mine.key}".encode(), "query_string": b""}
    who_has_it = {**asked, "headers": [(b"if-none-match", freshness.etag(mine).encode())]}
    told = freshness.picture(mine, pinned=True, modified=FACTS.uploaded_at)
    kept = cast("HTTPScope", {**asked, "path_template": "/v", "headers": []})
    origin.answers.keep(kept, mine.key, told, time.monotonic() + 600)
    way = origin.answers.way(cast("HTTPScope", who_has_it))
    assert way is not None
    assert (way() or (None,))[0] == 304
    origin.forget(1, FACTS.version)
    assert origin.at_hand(mine) is None
    assert origin.at_hand(other)
    assert way() is None
