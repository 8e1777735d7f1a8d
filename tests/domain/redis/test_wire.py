"""One connection for everybody: each gets their own answer, and nobody waits for a server that
hangs."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from domain.redis import Address, AwayError, Wire
from domain.redis import wire as wire_module
from tests.serving import Proxy

MEGABYTE = 1_000_000


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Wire]:
    address = Address(url)
    wire = Wire(address.connection(address.seeds[0]))
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    async with opened(redis_url) as wire:
        yield wire


@asynccontextmanager
async def hanging(redis_url: str) -> AsyncIterator[Wire]:
    """A wire to a server that has answered, and answers nothing more."""
    place = Address(redis_url).seeds[0]
    proxy = Proxy(*place)
    await proxy.up()
    async with opened(redis_url.replace(f":{place.port}/", f":{proxy.port}/")) as wire:
        assert await wire.call("PING") == b"PONG"
        proxy.thaw.clear()
        yield wire
    proxy.thaw.set()
    await proxy.down()


def sockets() -> int:
    return sum(
        os.readlink(f"/proc/self/fd/{each}").startswith("socket:")
        for each in os.listdir("/proc/self/fd")
        if os.path.lexists(f"/proc/self/fd/{each}")
    )


async def test_a_thousand_at_once_get_their_own_answers_past_big_ones_and_refusals(
    wire: Wire,
) -> None:
    bodies = [b"%d" % each * (100_000 if each % 100 == 0 else 1) for each in range(1000)]
    await asyncio.gather(*(wire.call("SET", f"k{n}", body) for n, body in enumerate(bodies)))

    def asked(number: int) -> asyncio.Future[Any]:
        return wire.call("GET" if number % 10 else "LPOP", f"k{number}")

    answers = await asyncio.gather(*map(asked, range(1000)), return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 10:
            assert answer == bodies[number]
        else:
            assert "WRONGTYPE" in str(answer)


async def test_who_does_not_wait_any_more_takes_nobody_elses_answer(wire: Wire) -> None:
    before = [asyncio.ensure_future(wire.call("ECHO", number)) for number in range(100)]
    for call in before[::2]:
        call.cancel()
    # These have been sent when they are cancelled.
    later = [asyncio.ensure_future(wire.call("ECHO", number)) for number in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for call in later[1::2]:
        call.cancel()
    assert [int(await call) for call in before[1::2]] == list(range(1, 100, 2))
    assert [int(await call) for call in later[::2]] == list(range(0, 100, 2))


async def test_what_cannot_be_sent_is_its_callers_fault_alone(wire: Wire) -> None:
    first = wire.call("ECHO", 1)
    with pytest.raises(TypeError):
        wire.call("ECHO", None)  # type: ignore[arg-type]
    assert [await first, await wire.call("ECHO", 2)] == [b"1", b"2"]


async def test_who_asks_a_server_that_hangs_is_told_and_who_asks_after_that_at_once(
    redis_url: str,
) -> None:
    async with hanging(redis_url) as wire:
        told = await asyncio.gather(
            *(wire.call("PING") for _ in range(100)), return_exceptions=True
        )
        assert {type(each) for each in told} == {AwayError}
        late = wire.call("PING")
        assert late.done()
        assert isinstance(late.exception(), AwayError)


async def test_a_server_that_takes_long_over_a_big_reply_is_not_given_up(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "PATIENCE", 0.2)
    place = Address(redis_url).seeds[0]
    proxy = Proxy(*place)
    await proxy.up()
    async with opened(redis_url.replace(f":{place.port}/", f":{proxy.port}/")) as wire:
        await wire.call("SET", "big", bytes(MEGABYTE))
        proxy.thaw.clear()
        reply = wire.call("GET", "big")
        while not reply.done():
            # A chunk at a time.
            proxy.thaw.set()
            proxy.thaw.clear()
            await asyncio.sleep(wire_module.PATIENCE / 2)
        assert len(await reply) == MEGABYTE
        proxy.thaw.set()
    await proxy.down()


async def test_a_server_that_owes_too_much_is_asked_no_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "MOST_PENDING", 3)
    async with hanging(redis_url) as wire:
        calls = [wire.call("PING") for _ in range(5)]
        assert [call.done() for call in calls] == [False, False, False, True, True]
        await asyncio.gather(*calls, return_exceptions=True)


async def test_nothing_is_left_of_a_wire_though_the_server_reads_no_more(redis_url: str) -> None:
    before = len(asyncio.all_tasks())
    async with hanging(redis_url) as wire:
        open_before = sockets()
        # More than fits between here and there.
        calls = [wire.call("SET", f"k{n}", bytes(MEGABYTE)) for n in range(30)]
        await asyncio.gather(*calls, return_exceptions=True)
        await wire.close()
        await asyncio.sleep(0)
        assert sockets() == open_before - 1
    assert len(asyncio.all_tasks()) == before


async def test_who_stops_waiting_for_a_connection_leaves_none(redis_url: str) -> None:
    address = Address(redis_url)
    before, open_before = len(asyncio.all_tasks()), sockets()
    for turns in range(25):
        wire = Wire(address.connection(address.seeds[0]))
        opening = asyncio.create_task(wire.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await wire.close()
    await asyncio.sleep(0)
    assert (len(asyncio.all_tasks()), sockets()) == (before, open_before)


async def test_what_the_server_says_unasked_comes_before_the_answers_after_it(
    redis_url: str, wire: Wire
) -> None:
    heard: list[Any] = []
    address = Address(redis_url)
    ear = Wire(address.connection(address.seeds[0]), heard.append)
    await ear.open()
    ear.send("SSUBSCRIBE", "news")
    await ear.call("PING")
    await wire.call("SPUBLISH", "news", b"soup")
    await ear.call("PING")
    assert [push[0] for push in heard] == [b"ssubscribe", b"smessage"]
    await ear.close()
