"""`python -m benchmarks.scale`: what N people take by the model, how the model stands up to the
load test, and what questions cost over ever more orders and dishes."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from time import process_time
from typing import Final

from pwdlib import PasswordHash

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.goals import Tables
from benchmarks.scale import menu, model, rows

PAGE: Final = page.PAGE.with_name("scaling.md")
LOAD: Final = page.PAGE.with_name("load.md")
PEOPLE: Final = (2_000, 5_000, 10_000, 20_000, 50_000)
PODS: Final = (1, 2, 5, 10, 20)
# Busier than that a pod has nothing left for its neighbour's share.
BUSY: Final = 0.6
ORDERS: Final = (10_000, 100_000, 1_000_000)
# Beyond what is measured.
MORE: Final = 10_000_000
# All who come have to log in within so long, where tokens have not outlived the night.
RUSH_SECONDS: Final = 600
DISHES: Final = (200, 1_000, 5_000)
MODEL, STEPS, ROWS, MENU = "model", "steps", "rows", "menu"
PARTS: Final = (MODEL, STEPS, ROWS, MENU)


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/scaling.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without a million orders")
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md, too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    allow_many()
    quick = " --quick" if given.quick else ""
    for part in given.only:
        if part == MODEL:
            text = f"{_setting('--only model')}\n{_model()}"
        elif part == STEPS:
            text = f"{_setting('--only steps')}\n{_steps(model.steps(_load()))}"
        elif part == MENU:
            menus = {dishes: menu.measured(dishes) for dishes in DISHES}
            text = f"{_setting('--only menu')}\n{_menu(menus)}"
        else:
            sizes = ORDERS[:2] if given.quick else ORDERS
            grown = {size: rows.measured(size, _say) for size in sizes}
            text = f"{_setting(f'--only rows{quick}')}\n{_rows(grown)}"
        print(text)
        if given.write:
            page.write(part, text, PAGE)


def _model() -> str:
    of = model.costs(Tables(page.PAGE.read_text("utf-8")), _load())
    plant = model.Plant()
    login = _login_seconds()
    lines = [
        "| people | requests/s | orders/s | cores of the API (at least) | pods "
        "| cores of the primary (at least) | of the replicas | of Redis | Mbit/s | sockets "
        f"| their memory MB | cores if all log in within {RUSH_SECONDS // 60} minutes |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for people in PEOPLE:
        wanted, least = model.demand(people, of), model.least(people, of)
        cores = wanted.cores
        lines.append(
            f"| {people:,} | {wanted.requests:,.0f} | {wanted.orders:.1f} "
            f"| {cores.application:.2f} ({least.application:.2f}) "
            f"| {model.pods_needed(wanted, plant, BUSY)} "
            f"| {cores.primary:.2f} ({least.primary:.2f}) "
            f"| {cores.replicas:.2f} | {cores.redis:.2f} "
            f"| {wanted.bytes * 8 / 1e6:,.0f} | {wanted.sockets:,.0f} "
            f"| {wanted.socket_bytes / 1e6:.0f} | {people * login / RUSH_SECONDS:.1f} |"
        )
    lines += [
        "",
        f"| pods | people at {BUSY:.0%} of their CPU | or logins a second "
        "| connections to the primary | GB of memory |",
        "|---|---|---|---|---|",
    ]
    for pods in PODS:
        busy = pods * plant.cores_a_pod * BUSY
        lines.append(
            f"| {pods} | {busy / of.person.application:,.0f} | {busy / login:.0f} "
            f"| {model.connections(replace(plant, pods=pods)):,} of {plant.max_connections:,} "
            f"| {pods * of.process / 1e9:.1f} |"
        )
    part, people_at = model.first_wall(of, plant)
    most = model.used(model.demand(PEOPLE[-1], of), of, plant)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in most.items())
    return (
        "\n".join(lines)
        + f"\n\nOf 20 pods and the servers of production, {PEOPLE[-1]:,} people take: {shares}. "
        f"First of what grows with people is used up: {part}, at {people_at:,.0f}. A password "
        f"takes {login * 1e3:.0f} ms of a core, by design.\n"
    )


def _load() -> Tables:
    return Tables(LOAD.read_text("utf-8"))


def _login_seconds() -> float:
    hasher = PasswordHash.recommended()
    hasher.hash("the first one")
    began = process_time()
    for number in range(5):
        hasher.hash(f"number {number}")
    return (process_time() - began) / 5


def _steps(steps: Sequence[model.Step]) -> str:
    parts = [field.name for field in fields(model.Cores)]
    heads = [f"{part}, model | measured" for part in parts]
    lines = [f"| people | {' | '.join(heads)} |", "|---|" + "---|" * (2 * len(parts))]
    first = steps[0]
    for step in steps:
        said = first.cores.times(step.people / first.people)
        cells = [f"{getattr(said, part):.3f} | {getattr(step.cores, part):.3f}" for part in parts]
        lines.append(f"| {step.people:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rows(grown: Mapping[int, rows.Grown]) -> str:
    heads = [f"{name}: CPU µs, and PostgreSQL's" for name in rows.QUESTIONS]
    lines = [
        f"| orders | {' | '.join(heads)} | MB on disk | |",
        "|---|" + "---|" * (len(heads) + 2),
    ]
    for orders, found in grown.items():
        spent = [f"{ours * 1e6:.0f}, {theirs * 1e6:.0f}" for ours, theirs in found.spent.values()]
        megabytes = f"{found.bytes / 1e6:,.0f}"
        lines.append(f"| {orders:,} | {' | '.join(spent)} | {megabytes} | measured |")
    (less, smaller), (most, largest) = list(grown.items())[-2:]
    an_order = (largest.bytes - smaller.bytes) / (most - less)
    more = (largest.bytes + (MORE - most) * an_order) / 1e6
    # One more level of each index for a hundred times as many rows and more.
    spent = [f"{ours * 1e6:.0f}, {theirs * 1e6:.0f}" for ours, theirs in largest.spent.values()]
    lines.append(
        f"| {MORE:,} | {' | '.join(f'about {each}' for each in spent)} | {more:,.0f} "
        "| a model: as before, and an order takes what it took |"
    )
    return "\n".join(lines) + "\n"


def _menu(menus: Mapping[int, menu.Spent]) -> str:
    heads = [f"{name}: CPU µs, and PostgreSQL's" for name in menu.QUESTIONS]
    lines = [f"| dishes | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for dishes, found in menus.items():
        spent = [f"{ours * 1e6:,.0f}, {theirs * 1e6:,.0f}" for ours, theirs in found.values()]
        lines.append(f"| {dishes:,} | {' | '.join(spent)} |")
    return "\n".join(lines) + "\n"


def _setting(what: str) -> str:
    command = f"python -m benchmarks.scale {what}"
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}. {page.machine()}.\n"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
