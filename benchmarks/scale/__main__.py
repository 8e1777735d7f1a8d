"""`python -m benchmarks.scale`: what N people take by the model, how the model stands up to one
server that is asked ever oftener, and what questions cost over ever more orders and dishes."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from time import process_time
from typing import Final

from pwdlib import PasswordHash

from benchmarks import page
from benchmarks.api.crowd import allow_many
from benchmarks.api.questions import asked, of_comanda
from benchmarks.goals import Tables
from benchmarks.pictures import application
from benchmarks.pictures.photographs import SIZES, drawn
from benchmarks.scale import menu, model, rows
from benchmarks.scale.steps import Machine, Step
from benchmarks.servers import data_directory
from infra.demo import loader
from infra.local.stack import Stack
from tests.serving import UNLIMITED, free_port

PAGE: Final = page.PAGE.with_name("scaling.md")
PEOPLE: Final = (2_000, 5_000, 10_000, 20_000, 50_000)
PODS: Final = (1, 2, 5, 10, 20)
# Busier than that a pod has nothing left for its neighbour's share.
BUSY: Final = 0.6
ORDERS: Final = (10_000, 100_000, 1_000_000)
# Behind the steps: enough that many people have a page of their own.
HISTORY: Final = 100_000
# Beyond what is measured.
MORE: Final = 10_000_000
# All who come have to log in within so long, where tokens have not outlived the night.
RUSH_SECONDS: Final = 600
PICTURES: Final = 12
# Of each question; orders are asked for once each.
_DIFFERENT: Final = 200
_PLACED: Final = 30_000
DISHES: Final = (200, 1_000, 5_000)
MODEL, STEPS, ROWS, MENU = "model", "steps", "rows", "menu"
PARTS: Final = (MODEL, STEPS, ROWS, MENU)


def main() -> None:
    """Measure, print the tables, and with --write put them into docs/scaling.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter steps, and no million orders")
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md, too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    allow_many()
    quick = " --quick" if given.quick else ""
    for part in given.only:
        if part == MODEL:
            text = f"{_setting('--only model')}\n{_model()}"
        elif part == STEPS:
            seconds = 5.0 if given.quick else 15.0
            text = f"{_setting(f'--only steps{quick}')}\n{_steps(_climbed(seconds))}"
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


def _climbed(seconds: float) -> list[Step]:
    with (
        tempfile.TemporaryDirectory(prefix="comanda-scale-") as directory,
        Stack(data_directory(Path(directory)), replicas=0) as stack,
    ):
        given = {**application.environment(stack), **UNLIMITED, "COMANDA_ACCESS_LOG": "0"}
        asyncio.run(application.prepare(given))
        asyncio.run(loader.load(given["COMANDA_DATABASE_URL"], HISTORY, _say))
        hung = asyncio.run(application.hang(given, drawn(SIZES["2 MP"]), PICTURES, pyramid=False))
        ours = application.start("Comanda", free_port(), given, None)
        try:
            return Machine(ours.port, ours.process.pid, _requests(given, hung)).steps(seconds)
        finally:
            ours.stop()


def _requests(
    given: Mapping[str, str], hung: Sequence[application.Hung]
) -> dict[str, Iterator[bytes]]:
    chosen = asyncio.run(asked(given["COMANDA_DATABASE_URL"]))
    questions = of_comanda(chosen, given["COMANDA_TOKEN_SECRET"])
    found: dict[str, Iterator[bytes]] = {
        kind: cycle(questions[kind](_PLACED if kind == model.PLACE else _DIFFERENT))
        for kind in model.KINDS
        if kind != model.STORED
    }
    found[model.STORED] = cycle(
        f"GET /products/{each.product_id}?w=400&fm=jpeg&q=80&v={each.picture.version} HTTP/1.1\r\n"
        "host: localhost\r\nuser-agent: CampusApp/1.0\r\n\r\n".encode()
        for each in hung
    )
    return found


def _model() -> str:
    of = model.costs(Tables(page.PAGE.read_text("utf-8")))
    plant = model.Plant()
    login = _login_seconds()
    lines = [
        "| people | requests/s | orders/s | cores of the API | pods | cores of the primary "
        "| of the replicas | of Redis | Mbit/s | sockets | their memory MB "
        f"| cores if all log in within {RUSH_SECONDS // 60} minutes |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for people in PEOPLE:
        wanted = model.demand(people, of)
        lines.append(
            f"| {people:,} | {wanted.requests:,.0f} | {wanted.orders:.1f} "
            f"| {wanted.application:.2f} | {model.pods_needed(wanted, plant, BUSY)} "
            f"| {wanted.primary:.2f} | {wanted.replicas:.3f} | {wanted.redis:.3f} "
            f"| {wanted.bytes * 8 / 1e6:,.0f} | {wanted.sockets:,.0f} "
            f"| {wanted.socket_bytes / 1e6:.0f} | {people * login / RUSH_SECONDS:.1f} |"
        )
    lines += [
        "",
        f"| pods | people at {BUSY:.0%} of their CPU | or logins a second "
        "| connections to the primary | GB of memory |",
        "|---|---|---|---|---|",
    ]
    each = model.demand(1, of).application
    for pods in PODS:
        cores = pods * plant.cores_a_pod * BUSY
        lines.append(
            f"| {pods} | {cores / each:,.0f} | {cores / login:.0f} "
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


def _login_seconds() -> float:
    hasher = PasswordHash.recommended()
    hasher.hash("the first one")
    began = process_time()
    for number in range(5):
        hasher.hash(f"number {number}")
    return (process_time() - began) / 5


def _steps(steps: Sequence[Step]) -> str:
    lines = [
        "| requests/s | of all cores, model | measured | of the server alone "
        "| p95 ms, model | measured | p50 ms | refused |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.rate:,.0f} | {each.predicted:.0%} | {each.used:.0%} | {each.server:.0%} of one "
        f"| {each.predicted_p95:.1f} | {each.p95:.1f} | {each.p50:.1f} "
        f"| {each.refused:.2%} |"
        for each in steps
    ]
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
