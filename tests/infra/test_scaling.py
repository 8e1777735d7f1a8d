"""The model of what people take: its arithmetic, and that it reads what was measured."""

import math

import pytest

from benchmarks import page
from benchmarks.goals import Tables
from benchmarks.scale.model import (
    KINDS,
    PLACE,
    VISIT,
    VISIT_SECONDS,
    Cost,
    Costs,
    Plant,
    costs,
    demand,
    first_wall,
    percentile,
    pods_needed,
    slowdown,
    used,
)

# A millisecond of everybody for each request, and nothing for sockets.
PLAIN = Costs({kind: Cost(1e-3, 1e-3, 1e-3, 1000) for kind in KINDS}, 0.0, 0.0, 0.0, 256e6)


def test_people_take_what_their_visits_take() -> None:
    taken = demand(VISIT_SECONDS * 10, PLAIN)
    requests = 10 * sum(VISIT.values())
    assert taken.requests == pytest.approx(requests)
    assert taken.application == taken.redis == pytest.approx(requests / 1000)
    assert taken.primary == pytest.approx(10 * VISIT[PLACE] / 1000)
    assert taken.primary + taken.replicas == pytest.approx(requests / 1000)
    assert taken.bytes == pytest.approx(requests * 1000)


def test_the_first_wall_is_where_the_scarcest_part_is_used_up() -> None:
    plant = Plant(redis_cores=1.0)
    part, people = first_wall(PLAIN, plant)
    assert part == "CPU of Redis"
    assert used(demand(people, PLAIN), PLAIN, plant)[part] == pytest.approx(1)
    assert max(used(demand(people * 0.9, PLAIN), PLAIN, plant).values()) < 1
    # A thousand requests a second: a core of the application's.
    assert pods_needed(demand(people, PLAIN), plant, share=0.6) == 2


def test_who_shares_cores_is_slowed_down_as_queues_are() -> None:
    # M/M/1: 1 / (1 - load). M/M/2: 1 / (1 - (load / 2) ** 2).
    assert slowdown(0.5, 1) == pytest.approx(2)
    assert slowdown(1.0, 2) == pytest.approx(4 / 3)
    assert slowdown(0.0, 2) == 1
    assert math.isinf(slowdown(2.0, 2))


def test_a_percentile_is_that_of_the_mixture() -> None:
    assert percentile(0.95, {2.0: 1}, slower=3) == pytest.approx(-6 * math.log(0.05))
    # Half of a tenth: the others are long answered.
    assert percentile(0.95, {1.0: 1, 1e-6: 9}, slower=1) == pytest.approx(math.log(2))
    assert math.isinf(percentile(0.95, {1.0: 1}, math.inf))


def test_every_figure_of_the_model_is_on_the_page() -> None:
    found = costs(Tables(page.PAGE.read_text("utf-8")))
    assert all(cost.application > 0 for cost in found.kinds.values())
    assert 0 < found.process < Plant().memory_a_pod
