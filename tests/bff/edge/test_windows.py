"""No window ever has more than its limit, as a model in plain Python has it, wherever it is."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bff.edge.limits import policies
from bff.edge.limits.alone import Alone
from bff.edge.limits.leases import Leases
from bff.edge.limits.limiter import Limiter
from bff.edge.limits.policies import Decision, Policy, Standing, Window, Windows
from bff.edge.limits.shared import Shared
from domain.database import UNKNOWN, Fences
from domain.redis import Nodes
from infra.local.redis_cluster import RedisCluster

A_SECOND = 1_000_000
# Another subject for each example: nothing is left over from the one before.
SUBJECTS = count()
LIMITS = st.lists(st.integers(1, 4), min_size=1, max_size=3)
# Take, or give back the n-th that was taken; after so many milliseconds.
STEPS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.sampled_from([0, 0, 0, 7, 30, 60])),
    min_size=1,
    max_size=25,
)
RELAXED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Model:
    """Sliding windows as one would explain them."""

    def __init__(self) -> None:
        self.counted: defaultdict[bytes, list[int]] = defaultdict(list)

    def takes(self, windows: Sequence[Window], now: int) -> bool:
        """Whether each has room for one more; then it is counted in all of them."""
        if any(self.used(each, now) >= each.policy.limit for each in windows):
            return False
        for each in windows:
            self.counted[each.key].append(now)
        return True

    def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted then is not."""
        for each in windows:
            self.counted[each.key].remove(moment)

    def used(self, window: Window, now: int) -> int:
        span, grain = window.policy.microseconds, window.policy.grain
        # Until the end of its grain has left the window.
        return sum(-(-each // grain) * grain > now - span for each in self.counted[window.key])


def windows_of(limits: Sequence[int], spans: Sequence[float]) -> Windows:
    subject = b"{subject:%d}" % next(SUBJECTS)
    return Windows(
        Window(Policy(f"p{number}", limit, span), b"%b:%d" % (subject, number))
        for number, (limit, span) in enumerate(zip(limits, spans, strict=False))
    )


SPANS = (0.05, 0.1, 0.02)


def agrees(model: Model, windows: Sequence[Window], decision: Decision) -> None:
    now = decision.moment
    assert model.takes(windows, now) == (decision.refused_by is None)
    for window, standing in zip(windows, decision.standings, strict=True):
        assert standing.used == model.used(window, now)
        grain = window.policy.grain / A_SECOND
        assert 0 <= standing.seconds <= window.policy.seconds + grain
    if decision.refused_by is not None:
        full = next(each for each in windows if each.policy == decision.refused_by)
        assert model.used(full, now) >= full.policy.limit


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three requests are many: they are counted together, where they come together."""
    monkeypatch.setattr(policies, "_MOST_APART", 2)


@asynccontextmanager
async def shared(url: str, *, is_cluster: bool) -> AsyncIterator[Shared]:
    nodes = Nodes(url, is_cluster=is_cluster)
    nodes.start()
    await nodes.look()
    yield Shared(nodes, Fences(nodes))
    await nodes.close()


@pytest.fixture(params=["one node", "six nodes"])
def place(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """Where Redis is, and whether it is a cluster."""
    if request.param == "one node":
        return request.getfixturevalue("redis_url"), False
    nodes: RedisCluster = request.getfixturevalue("redis_cluster")
    return nodes.url, True


def test_redis_decides_as_the_model(place: tuple[str, bool]) -> None:
    url, is_cluster = place

    @RELAXED
    @given(LIMITS, STEPS)
    def check(limits: list[int], steps: list[tuple[int | None, int]]) -> None:
        async def run() -> None:
            async with shared(url, is_cluster=is_cluster) as counting:
                model, taken, windows = Model(), list[int](), windows_of(limits, SPANS)
                for back, milliseconds in steps:
                    await asyncio.sleep(milliseconds / 1000)
                    if back is None:
                        decision = await counting.take(windows)
                        agrees(model, windows, decision)
                        if decision.refused_by is None:
                            taken.append(decision.moment)
                    elif back < len(taken):
                        moment = taken.pop(back)
                        await counting.give_back(windows, moment)
                        model.give_back(windows, moment)

        asyncio.run(run())

    check()


@RELAXED
@given(LIMITS, STEPS)
def test_a_process_alone_decides_as_the_model(
    limits: list[int], steps: list[tuple[int | None, int]]
) -> None:
    now = 0
    alone = Alone(clock=lambda: now)
    model, taken, windows = Model(), list[int](), windows_of(limits, SPANS)
    for back, milliseconds in steps:
        now += milliseconds * 1000
        if back is None:
            decision = alone.take(windows)
            agrees(model, windows, decision)
            if decision.refused_by is None:
                taken.append(decision.moment)
        elif back < len(taken):
            moment = taken.pop(back)
            alone.give_back(windows, moment)
            model.give_back(windows, moment)


async def test_of_fifty_at_once_exactly_as_many_pass_as_may(
    place: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, is_cluster = place
    monkeypatch.setattr(policies, "_MOST_APART", 120)
    windows = windows_of([100, 130], [60, 900])
    # Five processes, each with connections of its own.
    async with (
        shared(url, is_cluster=is_cluster) as one,
        shared(url, is_cluster=is_cluster) as two,
        shared(url, is_cluster=is_cluster) as three,
        shared(url, is_cluster=is_cluster) as four,
        shared(url, is_cluster=is_cluster) as five,
    ):

        async def client(counting: Shared) -> list[Decision]:
            return [await counting.take(windows) for _ in range(4)]

        asked = [client((one, two, three, four, five)[each % 5]) for each in range(50)]
        decisions = [each for several in await asyncio.gather(*asked) for each in several]
    allowed = [each for each in decisions if each.refused_by is None]
    assert len(allowed) == 100
    assert {each.refused_by for each in decisions} == {None, windows[0].policy}
    # Each was the n-th of somebody, and no two the same.
    assert sorted(each.standings[0].used for each in allowed) == list(range(1, 101))


async def test_never_more_than_the_limit_in_any_window_while_fifty_go_on(
    place: tuple[str, bool],
) -> None:
    url, is_cluster = place
    windows = windows_of([10], [0.1])
    async with (
        shared(url, is_cluster=is_cluster) as one,
        shared(url, is_cluster=is_cluster) as two,
    ):

        async def client(counting: Shared) -> list[int]:
            taken = []
            for _ in range(20):
                decision = await counting.take(windows)
                if decision.refused_by is None:
                    taken.append(decision.moment)
                await asyncio.sleep(0.01)
            return taken

        asked = [client((one, two)[each % 2]) for each in range(50)]
        moments = sorted(each for several in await asyncio.gather(*asked) for each in several)
    assert len(moments) > 10
    for first, eleventh in zip(moments, moments[10:], strict=False):
        assert eleventh - first >= 0.1 * A_SECOND


async def test_a_persons_last_write_comes_along(place: tuple[str, bool]) -> None:
    url, is_cluster = place
    nodes = Nodes(url, is_cluster=is_cluster)
    fences = Fences(nodes)
    nodes.start()
    fences.start()
    counting = Limiter(nodes, fences)
    windows = Windows([Window(Policy("p", 1000, 60), b"{user:7}:limit:p")])
    async with asyncio.timeout(30):
        while (await counting.take_of(7, windows))[1] in (None, UNKNOWN):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await counting.take_of(7, windows))[1] == 0
    await fences.keep([7], 2**53 + 1)
    assert (await counting.take_of(7, windows))[1] == 2**53 + 1
    await fences.close()
    await nodes.close()


async def test_a_window_is_gone_when_nothing_in_it_counts(redis_url: str) -> None:
    windows = windows_of([10], [0.05])
    async with shared(redis_url, is_cluster=False) as counting:
        await counting.take(windows)
        async with asyncio.timeout(30):
            while await counting._nodes.call(windows.keys[0], "EXISTS", windows.keys[0]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_clock_that_went_back_makes_nobody_wait_for_it(redis_url: str) -> None:
    windows = windows_of([1], [60])
    async with shared(redis_url, is_cluster=False) as counting:
        first = await counting.take(windows)
        one = (1).to_bytes(4, "big")
        later = one + (first.moment + 3600 * A_SECOND).to_bytes(8, "big") + one
        await counting._nodes.call(windows.keys[0], "SET", windows.keys[0], later)
        assert (await counting.take(windows)).refused_by is None
        # And a moment ahead is still in the window.
        assert (await counting.take(windows)).refused_by == windows[0].policy


def test_who_has_no_room_to_count_lets_pass_what_may_and_nothing_strict() -> None:
    now = 0
    alone = Alone(clock=lambda: now, most=2)
    mild, strict = Policy("mild", 5, 60), Policy("strict", 5, 60, is_strict=True)

    def passes(policy: Policy, who: int) -> bool:
        return alone.take(Windows([Window(policy, b"%d" % who)])).refused_by is None

    assert [passes(mild, who) for who in range(4)] == [True] * 4
    assert [passes(strict, who) for who in range(4)] == [True, True, False, False]
    # Those that are known count on.
    assert [passes(strict, 0) for _ in range(5)] == [True] * 4 + [False]
    now += 61 * A_SECOND
    assert passes(strict, 3)


async def test_a_window_of_many_takes_no_more_room_than_one_of_few(redis_url: str) -> None:
    windows = windows_of([100_000], [0.5])
    async with shared(redis_url, is_cluster=False) as counting:
        for _ in range(40):
            await asyncio.gather(*(counting.take(windows) for _ in range(100)))
            kept = await counting._nodes.call(windows.keys[0], "STRLEN", windows.keys[0])
            assert kept <= 4 + 12 * 66


# --- several at once -------------------------------------------------------------------

# Its grains are longer than what a busy machine makes of a call of Redis.
CROWDED = Policy("crowded", 320, 1.28)


async def test_never_more_than_the_limit_where_several_are_taken_at_once_and_ahead(
    place: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One process has no more than 20 of so few at once.
    monkeypatch.setattr("bff.edge.limits.leases._CROWD", 4)
    url, is_cluster = place
    windows = Windows([Window(CROWDED, b"{subject:%d}" % next(SUBJECTS))])
    began: list[float] = []
    ended: list[float] = []
    at_once = 0

    def are_many() -> bool:
        """Whether the crowd has done for long enough what it is here for."""
        return time.monotonic() > least and at_once > 50 and len(began) > 320

    async def client(limiter: Limiter) -> None:
        nonlocal at_once
        while not are_many() and (start := time.monotonic()) < most:
            decision = limiter.at_once(windows)
            at_once += decision is not None
            decision = decision or await limiter.take(windows)
            if decision.refused_by is None:
                began.append(start)
                ended.append(time.monotonic())
            await asyncio.sleep(0.001)

    async with AsyncExitStack() as closing:
        nodes = [Nodes(url, is_cluster=is_cluster) for _ in range(2)]
        for each in nodes:
            closing.push_async_callback(each.close)
            each.start()
            await each.look()
        processes = [Limiter(each, Fences(each)) for each in nodes]
        least, most = time.monotonic() + 1, time.monotonic() + 30
        await asyncio.gather(*(client(processes[each % 2]) for each in range(20)))
    assert are_many()
    # Each was counted between its beginning and its end.
    for first, last in zip(sorted(began), sorted(ended)[320:], strict=False):
        assert last - first >= CROWDED.seconds


async def test_what_was_taken_is_good_until_its_grain_ends_and_the_rest_given_back() -> None:
    now, given = 100.0, list[tuple[int, int]]()
    leases = Leases(
        lambda _, moment, many: given.append((moment, many)),
        lambda _: pytest.fail("so few are no crowd"),
        clock=lambda: now,
    )
    windows = Windows([Window(CROWDED, b"one")])
    grain = CROWDED.grain / A_SECOND
    assert leases.take(windows) is None
    # Redis counted ten, when three quarters of a grain were left; it took a moment to say so.
    moment = 1000 * CROWDED.grain + CROWDED.grain // 4
    decision = Decision(windows, [Standing(50, 0.3)], None, moment)
    now += 0.1 * grain
    first = leases.begin(windows, decision, 10, asked_at=100.0)
    assert first.standings[0].used == 41
    taken = [leases.take(windows) for _ in range(5)]
    assert [each and each.standings[0].used for each in taken] == [42, 43, 44, 45, 46]
    assert leases.give_back(windows, moment)
    # Those that come next take as many as came so far, and not each of them.
    assert [leases.ask(windows) for _ in range(3)] == [5, 1, 1]
    leases.answered(windows, 5)
    now = 100 + 0.76 * grain
    assert leases.take(windows) is None
    assert not leases.give_back(windows, moment)
    assert leases.ask(windows) == 2
    leases.answered(windows, 2)
    async with asyncio.timeout(30):
        while not given:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert given == [(moment, 5)]
    assert leases.take(windows) is None
    now += grain
    assert leases.ask(windows) == 1


async def test_a_crowd_asks_for_more_while_it_has_some() -> None:
    given, asked = list[tuple[int, int]](), list[Windows]()
    leases = Leases(
        lambda _, moment, many: given.append((moment, many)), asked.append, clock=lambda: 100.0
    )
    windows = Windows([Window(CROWDED, b"one")])
    moment = 1000 * CROWDED.grain + 1
    leases.begin(windows, Decision(windows, [Standing(50, 0.3)], None, moment), 41, asked_at=100.0)
    assert all(leases.take(windows) for _ in range(19))
    assert asked == []
    assert all(leases.take(windows) for _ in range(2))
    assert asked == [windows]
    decision = Decision(windows, [Standing(91, 0.3)], None, moment + 1)
    leases.keep(windows, decision, 41, 100.0)
    # All that Redis has counted, but what is left.
    last = leases.take(windows)
    assert last is not None
    assert last.standings[0].used == 91 - 59
    before = Decision(windows, [Standing(99, 0.3)], None, moment - CROWDED.grain)
    leases.keep(windows, before, 8, 100.0)
    assert given == [(moment - CROWDED.grain, 8)]


async def test_who_asks_ahead_where_all_is_taken_has_no_more_than_before(
    place: tuple[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.edge.limits.leases._CROWD", 4)
    url, is_cluster = place
    # In one grain, which is an hour.
    windows = Windows([Window(Policy("p", 320, 64 * 3600), b"{subject:%d}" % next(SUBJECTS))])
    async with shared(url, is_cluster=is_cluster) as others:
        limiter = Limiter(others._nodes, Fences(others._nodes))
        ours = theirs = 0
        while (limiter.at_once(windows) or await limiter.take(windows)).refused_by is None:
            ours += 1
            # Eight at once, of which seven are left, and more is asked for at three.
            while (
                ours == 9
                and (found := await others.take_several(windows, 320))[0].refused_by is None
            ):
                theirs += found[1]
        assert (ours, ours + theirs) == (16, 320)
        assert limiter.at_once(windows) is None


async def test_of_what_is_left_nobody_takes_much_at_once_and_all_can_be_given_back(
    place: tuple[str, bool],
) -> None:
    url, is_cluster = place
    windows = Windows([Window(Policy("p", 160, 60), b"{subject:%d}" % next(SUBJECTS))])
    async with shared(url, is_cluster=is_cluster) as counting:
        first, taken = await counting.take_several(windows, 100)
        assert (taken, first.standings[0].used) == (10, 10)
        while (standing := await counting.take_several(windows, 100))[0].refused_by is None:
            assert standing[1] <= 10
        assert standing[0].standings[0].used == 160
        await counting.give_back(windows, first.moment, 4)
        assert (await counting.take_several(windows, 1))[0].standings[0].used == 157
