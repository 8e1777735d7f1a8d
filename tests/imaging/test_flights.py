"""What many want at once is made once, and whoever leaves takes nothing from the others."""

import asyncio
import gc

import pytest

from imaging.admission import OverloadedError
from imaging.flights import Flights


class Kitchen:
    """Makes what is ordered when it is told to, and remembers what was ordered."""

    def __init__(self) -> None:
        self.ordered: list[str] = []
        self.cancelled: list[str] = []
        self.done = asyncio.Event()
        self.error: Exception | None = None

    async def make(self, name: str) -> str:
        self.ordered.append(name)
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if self.error:
            raise self.error
        return f"{name} {len(self.ordered)}"


@pytest.fixture
async def kitchen() -> Kitchen:
    return Kitchen()


def flying(
    flights: Flights[str, str], kitchen: Kitchen, key: str, passengers: int = 1
) -> list[asyncio.Task[str]]:
    return [
        asyncio.create_task(flights.fly(key, lambda: kitchen.make(key))) for _ in range(passengers)
    ]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_thousand_who_want_the_same_get_one_result(kitchen: Kitchen) -> None:
    flights = Flights[str, str](8)
    tasks = flying(flights, kitchen, "soup", 1000)
    await settle()
    kitchen.done.set()
    assert set(await asyncio.gather(*tasks)) == {"soup 1"}
    assert kitchen.ordered == ["soup"]
    assert len(flights) == 0


async def test_other_keys_have_flights_of_their_own(kitchen: Kitchen) -> None:
    flights = Flights[str, str](8)
    tasks = flying(flights, kitchen, "soup") + flying(flights, kitchen, "salad")
    await settle()
    kitchen.done.set()
    await asyncio.gather(*tasks)
    assert sorted(kitchen.ordered) == ["salad", "soup"]


@pytest.mark.parametrize("leaving", [(0,), (1,), (0, 1)], ids=str)
async def test_whoever_leaves_fails_nobody_else(kitchen: Kitchen, leaving: tuple[int, ...]) -> None:
    flights = Flights[str, str](8)
    tasks = flying(flights, kitchen, "soup", 3)
    await settle()
    for index in leaving:
        tasks[index].cancel()
    await settle()
    assert all(tasks[index].cancelled() for index in leaving)
    kitchen.done.set()
    stayed = [task for task in tasks if not task.cancelled()]
    assert set(await asyncio.gather(*stayed)) == {"soup 1"}
    assert kitchen.cancelled == []


async def test_the_last_to_leave_cancels_the_flight_and_the_next_begins_another(
    kitchen: Kitchen,
) -> None:
    flights = Flights[str, str](1)
    tasks = flying(flights, kitchen, "soup", 2)
    await settle()
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)  # it is going down, but has not landed
    (late,) = flying(flights, kitchen, "soup")
    await settle()
    assert kitchen.cancelled == ["soup"]
    kitchen.done.set()
    assert await late == "soup 2"


async def test_an_error_is_everybodys_and_is_not_kept(kitchen: Kitchen) -> None:
    flights = Flights[str, str](8)
    kitchen.error = ValueError("burnt")
    tasks = flying(flights, kitchen, "soup", 3)
    await settle()
    kitchen.done.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["burnt"] * 3
    kitchen.error = None
    assert await flights.fly("soup", lambda: kitchen.make("soup")) == "soup 2"


@pytest.mark.parametrize("ticks", range(5))
async def test_an_error_that_nobody_waits_for_any_more_is_no_warning(
    kitchen: Kitchen, ticks: int
) -> None:
    """It fails, and all who wanted it go away before they have heard of that."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    flights = Flights[str, str](8)
    kitchen.error = ValueError("burnt")
    tasks = flying(flights, kitchen, "soup", 2)
    await settle()
    kitchen.done.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        assert task.cancelled() or task.exception() is kitchen.error
    del task, tasks
    gc.collect()
    await settle()
    assert complaints == []


async def test_more_flights_than_there_is_room_for_are_refused_at_once(kitchen: Kitchen) -> None:
    flights = Flights[str, str](2)
    tasks = flying(flights, kitchen, "soup") + flying(flights, kitchen, "salad")
    await settle()
    with pytest.raises(OverloadedError) as refused:
        await flights.fly("cake", lambda: kitchen.make("cake"))
    assert refused.value.retry_after >= 1
    with pytest.raises(OverloadedError):
        flights.check_room()
    tasks += flying(flights, kitchen, "soup")  # to join is always possible
    kitchen.done.set()
    assert len(await asyncio.gather(*tasks)) == 3
    assert kitchen.ordered == ["soup", "salad"]
    assert await flights.fly("cake", lambda: kitchen.make("cake")) == "cake 3"


async def test_whoever_is_to_leave_room_for_others_leaves_it(kitchen: Kitchen) -> None:
    flights = Flights[str, str](2)
    tasks = flying(flights, kitchen, "soup")
    await settle()
    with pytest.raises(OverloadedError):
        await flights.fly("cake", lambda: kitchen.make("cake"), spare=1)
    tasks += [asyncio.create_task(flights.fly("soup", lambda: kitchen.make("soup"), spare=1))]
    tasks += flying(flights, kitchen, "salad")
    kitchen.done.set()
    assert len(await asyncio.gather(*tasks)) == 3
