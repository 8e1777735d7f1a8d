"""The model of what people take: its arithmetic, and that it reads what was measured."""

from dataclasses import astuple

import pytest

from benchmarks import page
from benchmarks.goals import Tables
from benchmarks.scale.model import (
    KINDS,
    PLACE,
    VISIT,
    VISIT_SECONDS,
    Cores,
    Cost,
    Costs,
    Plant,
    costs,
    demand,
    first_wall,
    least,
    pods_needed,
    steps,
    used,
)

# A millisecond of everybody for each request, and nothing for sockets.
PLAIN = Costs(
    Cores(1e-4, 1e-4, 1e-4, 1e-4),
    {kind: Cost(1e-3, 1e-3, 1e-3, 1000) for kind in KINDS},
    frame=0.0,
    ping=0.0,
    socket=0.0,
    process=256e6,
)


def test_people_take_what_their_visits_take() -> None:
    people = VISIT_SECONDS * 10
    taken, alone = demand(people, PLAIN), least(people, PLAIN)
    requests = 10 * sum(VISIT.values())
    assert taken.requests == pytest.approx(requests)
    assert taken.bytes == pytest.approx(requests * 1000)
    assert taken.cores.application == taken.cores.redis == pytest.approx(people * 1e-4)
    assert alone.application == alone.redis == pytest.approx(requests / 1000)
    assert alone.primary == pytest.approx(10 * VISIT[PLACE] / 1000)
    assert alone.primary + alone.replicas == pytest.approx(requests / 1000)


def test_the_first_wall_is_where_the_scarcest_part_is_used_up() -> None:
    plant = Plant(redis_cores=1.0)
    part, people = first_wall(PLAIN, plant)
    assert part == "CPU of Redis"
    assert used(demand(people, PLAIN), PLAIN, plant)[part] == pytest.approx(1)
    assert max(used(demand(people * 0.9, PLAIN), PLAIN, plant).values()) < 1
    # A core of the application's.
    assert pods_needed(demand(people, PLAIN), plant, share=0.6) == 2


PAGE = """
<!-- load -->
| people | requests/s | met |
|---|---|---|
| 1,000 | 140 | yes |
| 2,000 | 280 | at the server |
| 3,000 | 400 | no |

| people | cores: application | cores: PostgreSQL, primary | cores: PostgreSQL, replicas | cores: Redis |
|---|---|---|---|---|
| 1,000 | 0.2 | 0.1 | 0.04 | 0.02 |
| 2,000 | 0.3 | 0.2 | 0.08 | 0.04 |
| 3,000 | 0.9 | 0.9 | 0.9 | 0.9 |
<!-- /load -->
"""  # noqa: E501


def test_a_person_takes_what_those_took_for_whom_the_goals_were_met() -> None:
    tables = Tables(page.PAGE.read_text("utf-8"))
    assert [step.people for step in steps(Tables(PAGE))] == [1000, 2000, 3000]
    person = costs(tables, Tables(PAGE)).person
    assert astuple(person.times(2000)) == pytest.approx((0.3, 0.2, 0.08, 0.04))
    with pytest.raises(KeyError):
        costs(tables, Tables(PAGE.replace("yes", "no").replace("at the server", "no")))


def test_every_figure_of_the_model_is_on_the_page() -> None:
    tables, load = (
        Tables(each.read_text("utf-8")) for each in (page.PAGE, page.PAGE.with_name("load.md"))
    )
    found = costs(tables, load)
    assert all(cost.application > 0 for cost in found.kinds.values())
    assert 0 < found.process < Plant().memory_a_pod
    # What is asked for alone, over and over, is never dearer than in a crowd.
    alone, taken = least(1000, found), demand(1000, found).cores
    assert 0 < alone.application < taken.application
