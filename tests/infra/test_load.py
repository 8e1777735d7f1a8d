"""The load test's figures are right, and it finds what people were told and nobody holds."""

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from math import inf
from pathlib import Path

import asyncpg
import pytest

from benchmarks.load import campus, generator, journal, truth
from benchmarks.load.conductor import Conductor
from benchmarks.load.figures import Entry, Histogram, Scraped, Slope, Taken, slope
from benchmarks.load.machine import APPLICATION, GENERATOR, PICTURES, Machine
from benchmarks.load.soak import ENOUGH, Trend
from benchmarks.load.truth import Held, Order, Placed, Told, Topped, Watched, compare
from infra.local import control

log = logging.getLogger(__name__)


def entry(times: list[tuple[float, int]], failures: int = 0) -> Entry:
    """Requests that took so many milliseconds each."""
    count = sum(number for _, number in times)
    return Entry("GET", "home", count, failures, sum(t * n for t, n in times), times)


def test_percentiles_of_several_processes_are_those_of_all_their_requests() -> None:
    chance = random.Random(3)
    drawn = [float(chance.randint(1, 400)) for _ in range(1000)]
    several = [entry([(time, 1) for time in drawn[part::3]], failures=part) for part in range(3)]

    taken = Taken.of(several)

    ordered = sorted(drawn)
    for share in (0.5, 0.95, 0.99, 1.0):
        assert taken.quantile(share) == ordered[round(share * 1000) - 1]
    assert taken.mean == pytest.approx(sum(drawn) / 1000)
    assert (taken.requests, taken.failures) == (1000, 3)


def test_nothing_asked_is_nothing_taken() -> None:
    assert Taken.of([]).quantile(0.95) == 0
    assert Histogram().quantile(0.95) == 0


def test_a_quantile_of_a_histogram_lies_between_its_bounds_in_proportion() -> None:
    found = Histogram((0.05, 0.1, inf), (50.0, 90.0, 100.0))

    assert found.quantile(0.25) == pytest.approx(0.025)
    assert found.quantile(0.7) == pytest.approx(0.075)
    # Beyond the last finite bound nobody knows.
    assert found.quantile(0.95) == 0.1
    assert found.within(0.1) == 0.9


def test_what_was_counted_before_a_window_is_not_of_it() -> None:
    def scraped(quick: int, slow: int) -> Histogram:
        return Scraped.read(
            "# TYPE took histogram\n"
            f'took_bucket{{route="/api/home",le="0.1"}} {quick}\n'
            f'took_bucket{{route="/api/home",le="+Inf"}} {quick + slow}\n'
            f'took_sum{{route="/api/home"}} {quick * 0.05 + slow}\n'
            f'took_bucket{{route="/products/{{id}}",le="0.1"}} {7 * quick}\n'
            f'took_bucket{{route="/products/{{id}}",le="+Inf"}} {7 * quick}\n'
            f'took_sum{{route="/products/{{id}}"}} {quick}\n'
        ).histogram("took", starts="/api")

    window = scraped(quick=40, slow=10) - scraped(quick=10, slow=10)

    assert window.count == 30
    assert window.seconds == pytest.approx(1.5)
    assert window.within(0.1) == 1.0


def test_a_slope_is_that_of_the_figure_and_not_of_a_few_jumps() -> None:
    rising = [(float(at), 100 + 2 * at / 3600) for at in range(0, 3600, 60)]
    rising[7], rising[40] = (rising[7][0], 900.0), (rising[40][0], 0.0)

    found = slope(rising)

    assert found.an_hour == pytest.approx(2.0)
    assert found.is_flat(share=0.05, floor=0)
    assert not found.is_flat(share=0.01, floor=0)
    assert not slope([(0.0, 10.0), (1800.0, 20.0)]).is_flat(share=0.05, floor=5)


def test_only_what_grows_for_long_enough_is_said_to_grow() -> None:
    def trend(an_hour: float, seconds: float = ENOUGH, part: str = APPLICATION) -> str:
        return Trend(part, "memory, MB", Slope(400.0, an_hour), 400, 410, seconds).verdict

    assert trend(19.0) == "flat"
    assert trend(21.0) == "**grows**"
    assert trend(-90.0) == "flat"
    assert trend(21.0, ENOUGH - 1) == "too short to say"
    assert trend(21.0, part=GENERATOR) == ""


def told() -> Told:
    """Two orders of one person, who watched them, as did the counter; and a top-up."""
    return Told(
        placed=[Placed(7, "a", 11, 450, 450), Placed(7, "b", 12, 300, 300)],
        cancelled=[12],
        topped=[Topped(7, "t", 3, "declined", 2000)],
        watched=[
            Watched(7, None, 11, 0, {11: {1, 2, 3, 4, 5}, 12: {1, 2}}),
            Watched(90, 1, 11, 0, {11: {1, 2, 3, 4, 5}, 12: {1, 2}}),
        ],
    )


def held() -> Held:
    """The same."""
    return Held(
        {11: Order(11, 7, 1, "delivered", 450, 5), 12: Order(12, 7, 1, "cancelled", 300, 2)},
        {(7, "a"): 11, (7, "b"): 12},
        {3: "declined"},
        [],
    )


def test_what_agrees_differs_in_nothing() -> None:
    verdict = compare(told(), held())

    assert verdict.differences == []
    assert verdict.compared["orders confirmed"] == verdict.compared["orders held"] == 2


def test_an_order_whose_answer_was_lost_may_be_there_and_no_other() -> None:
    known = told()
    known.placed.pop()
    known.cancelled.clear()
    assert "confirmed to nobody" in compare(known, held()).differences[0]

    known.lost.append((7, "b"))
    assert compare(known, held()).differences == []


LATER = Order(11, 7, 1, "delivered", 451, 5)
DIFFERENCES: dict[str, Callable[[Told, Held], object]] = {
    "11 was confirmed to 7, who has none": lambda _, kept: kept.orders.pop(11),
    "450 told, 451 held": lambda _, kept: kept.orders.update({11: LATER}),
    "its key is of None": lambda known, _: known.placed.append(Placed(7, "c", 11, 450, 450)),
    "order 11 has 2 keys": lambda _, kept: kept.keys.update({(7, "c"): 11}),
    "12 was confirmed as cancelled": lambda _, kept: kept.orders.update(
        {12: Order(12, 7, 1, "created", 300, 2)}
    ),
    "declined told, succeeded held": lambda _, kept: kept.payments.update({3: "succeeded"}),
    "7 was not told of order 11 as of [5]": lambda known, _: known.watched[0].seen[11].discard(5),
    "90 was not told of order 12 as of [1]": lambda known, _: known.watched[1].seen[12].discard(1),
    "an answer that is wrong": lambda known, _: known.faults.append("an answer that is wrong"),
    "the ledger": lambda _, kept: kept.unsound.append("the ledger"),
}


@pytest.mark.parametrize("found", DIFFERENCES)
def test_every_difference_is_found(found: str) -> None:
    known, kept = told(), held()
    DIFFERENCES[found](known, kept)

    assert any(found in line for line in compare(known, kept).differences)


def test_who_was_cut_off_needs_to_know_how_it_ended_and_no_more() -> None:
    known = told()
    known.watched = [Watched(7, None, 11, 1, {11: {1, 5}, 12: {2}})]
    assert compare(known, held()).differences == []

    known.watched = [replace_seen(known.watched[0], {11: {1, 4}, 12: {2}})]
    assert len(compare(known, held()).differences) == 1


def replace_seen(socket: Watched, seen: dict[int, set[int]]) -> Watched:
    """The same, that was told of something else."""
    return Watched(socket.user, socket.cafeteria, socket.first, socket.cut, seen)


# Of order $1, or of who placed it; what the schema itself refuses is taken out of its way.
WRONG: dict[str, tuple[str, ...]] = {
    "total": ("UPDATE orders SET total_minor = total_minor + 1 WHERE id = $1",),
    "has no items": ("DELETE FROM order_items WHERE order_id = $1",),
    "was paid with": (
        "INSERT INTO transactions (user_id, order_id, kind, amount_minor)"
        " SELECT user_id, id, 'payment', -1 FROM orders WHERE id = $1",
    ),
    "have a pick-up code": (
        "DROP INDEX uq_orders_pickup_code",
        "INSERT INTO orders (user_id, cafeteria_id, total_minor, pickup_code)"
        " SELECT user_id, cafeteria_id, 0, 'CCC' FROM orders, generate_series(1, 2) WHERE id = $1",
    ),
    "the balance of": (
        "ALTER TABLE wallets DROP CONSTRAINT ck_wallets_never_negative",
        "UPDATE wallets SET balance_minor = -1"
        " WHERE user_id = (SELECT user_id FROM orders WHERE id = $1)",
    ),
    "product": (
        "UPDATE products SET stock = stock + 1"
        " WHERE id = (SELECT min(product_id) FROM order_items WHERE order_id = $1)",
    ),
}


async def test_what_is_wrong_in_the_database_itself_is_found(
    connection: asyncpg.Connection,
) -> None:
    order = await connection.fetchval("SELECT max(id) FROM orders WHERE status = 'delivered'")
    sold = await connection.fetch(truth._SOLD, order - 1)
    before = campus.Before(order - 1, {key: stock + many for key, stock, many in sold})
    assert await truth._unsound(connection, before) == []
    for found, statements in WRONG.items():
        meanwhile = connection.transaction()
        await meanwhile.start()
        for statement in statements:
            await connection.execute(statement, *[order] * ("$1" in statement))
        assert any(found in line for line in await truth._unsound(connection, before)), found
        await meanwhile.rollback()


def test_what_a_crowd_was_told_comes_back_from_its_journal(tmp_path: Path) -> None:
    written = journal.Journal(tmp_path, "1")
    written.note(journal.PLACED, user=7, key="a", order=11, total=450, shown=450)
    written.note(journal.LOST, user=7, key="b")
    written.note(journal.CANCELLED, order=11)
    written.note(journal.TOPPED, user=7, key="t", payment=3, status="declined", amount=2000)
    written.note(journal.WATCHED, user=7, cafeteria=None, first=11, cut=0, seen={11: [1, 2]})
    written.note(journal.FAULT, what="something")
    written.close()

    read = Told.of(tmp_path)

    assert read.placed == [Placed(7, "a", 11, 450, 450)]
    assert read.lost == [(7, "b")]
    assert read.cancelled == [11]
    assert read.topped == [Topped(7, "t", 3, "declined", 2000)]
    assert read.watched == [Watched(7, None, 11, 0, {11: {1, 2}})]
    assert read.faults == ["something"]


@pytest.mark.long
def test_a_small_lunch_in_a_hurry_is_served_and_true(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    size = campus.Size(phones=40, orders=200, workers=1, replicas=1, has_shelf=False)
    with (
        campus.running(tmp_path / "data", size, log.info) as place,
        generator.Generator(
            generator.install(), place.directory, place.url, size.counters, processes=2, pace=0.1
        ) as crowd,
    ):
        conductor = Conductor(place, crowd, log.info)
        conductor.gather(size.phones)
        window = conductor.measure(20)
        verdict = conductor.close()

    assert verdict.differences == []
    assert verdict.compared["orders held"] > 0
    assert verdict.compared["sockets"] > size.counters
    assert window.taken.failures == 0, window.errors
    assert crowd.seconds[-1].exceptions == {}


def test_what_those_took_who_rendered_and_ended_is_not_the_applications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = "sum(number * number for number in range(4_000_000))"
    ran = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    command = [sys.executable, "-c", f"{ran}; print(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as serving:
        assert serving.stdout is not None
        serving.stdout.readline()
        itself = control.ProcessStatus("application", serving.pid, None, True, "")
        stack = control.Status(True, None, (itself,), ())
        monkeypatch.setattr(control, "status", lambda _: stack)
        taken = Machine(tmp_path, []).look()
        serving.communicate(b"\n")
    assert taken[PICTURES].cpu > 2 * taken[APPLICATION].cpu


@pytest.mark.long
def test_a_phone_keeps_its_connection_and_asks_again_what_may_be_asked_again() -> None:
    command = [str(generator.install()), "-m", "tests.infra.phone_connections"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
