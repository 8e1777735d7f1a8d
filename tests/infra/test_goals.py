"""The table of goals says what the tables of the benchmarks say."""

import pytest

from benchmarks import optimized, page
from benchmarks.goals import GOALS, Tables, table

FIGURES = """
<!-- api -->
| what | server | CPU µs | CPU to Comanda |
|---|---|---|---|
| POST an order | Comanda | 825 (775 to 1,225) | 1.00 |
| POST an order | NestJS on Fastify | 2,700 (2,625 to 4,250) | 3.27 |
<!-- /api -->
<!-- realtime -->
| what | Comanda | Node socket.io | Comanda to it | send(2) in C | Comanda to it |
|---|---|---|---|---|---|
| connect | 9.0 | 16.0 | 0.56 (0.5 to 0.6) | 7.4 | 1.22 (1.1 to 1.3) |
<!-- /realtime -->
"""


def test_a_figure_is_found_by_its_row_and_column() -> None:
    tables = Tables(FIGURES)
    assert tables.figure("CPU to Comanda", "api", "POST an order", "NestJS on Fastify") == 3.27
    assert tables.figure("CPU µs", "api", "POST an order", "NestJS on Fastify") == 2700
    assert tables.figure("Comanda to send(2) in C", "realtime", "connect") == 1.22
    for absent in (("api", "GET an order"), ("api", "POST an order")):
        with pytest.raises(KeyError):
            tables.figure("CPU µs", *absent)


def test_a_goal_is_reached_up_to_its_bound_and_missed_beyond_it() -> None:
    goal = next(each for each in GOALS if each.what == "POST an order")
    assert goal.row(Tables(FIGURES)).endswith("at least 5x | 3.27x | **missed** |")
    assert goal.row(Tables(FIGURES.replace("3.27", "5.00"))).endswith("| 5x | reached |")
    assert goal.row(Tables("")).endswith("| not measured | |")


def test_every_goal_on_the_page_is_what_its_benchmark_measured() -> None:
    written = page.PAGE.read_text("utf-8")
    assert f"<!-- goals -->\n{table()}<!-- /goals -->" in written
    told = optimized.OPTIMIZED.read_text("utf-8")
    assert f"<!-- optimized -->\n{optimized.table()}<!-- /optimized -->" in told
    assert "not measured" not in table()
