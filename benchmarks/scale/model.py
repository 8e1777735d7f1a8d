"""What N people take of every part: as many times what some were seen to take. Pure arithmetic.

What they take at least is that of their requests, each asked for alone and over and over. A visit
is that of the load test (`benchmarks/load`): the home screen, categories, one to three pages of the
menu, some dishes; in 0.11 of visits an order, whose phone asks for it every ten seconds where it
has no socket, and which the counter moves on four times. Ten seconds on a screen make a visit last
59. Nothing is between people and the application: no CDN, which would take most pictures, and the
catalogue of whoever is not logged in.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.goals import Tables
from benchmarks.load.climb import GROWS
from benchmarks.load.machine import APPLICATION

CATALOGUE: Final = "cached catalogue, 100 products"
LIST: Final = "20 orders, four fields"
DETAIL: Final = "an order with its items"
PLACE: Final = "POST an order"
STORED: Final = "stored picture"
KINDS: Final = (CATALOGUE, LIST, DETAIL, PLACE, STORED)

# Requests of a visit, by the measured question that each is most like.
ORDERS: Final = 0.112
MOVES: Final = 4
SOCKETS: Final = 0.2
WAIT_SECONDS: Final = 27.0
POLL_SECONDS: Final = 10.0
VISIT: Final[Mapping[str, float]] = {
    # Categories, pages of the menu, dishes.
    CATALOGUE: 1 + 2 + 1.4,
    # Home, the wallet, notices.
    LIST: 1 + 0.09 + ORDERS,
    DETAIL: ORDERS * ((1 - SOCKETS) * WAIT_SECONDS / POLL_SECONDS + SOCKETS),
    # The order, what the counter makes of it, notices that were read, a top-up now and then.
    PLACE: ORDERS * (1 + MOVES + 1 + 0.3),
    # A phone has most of them from before.
    STORED: 1.5,
}
VISIT_SECONDS: Final = 10.0 * (1 + 2 + 1.4 + 0.09 + ORDERS + 1) + ORDERS * WAIT_SECONDS
# Who looks on when an order changes: its owner, where they have a socket, and the boards.
BOARDS: Final = 5
# What Linux keeps for a connection that is idle, beside what we do.
KERNEL_SOCKET_BYTES: Final = 4_096


@dataclass(frozen=True)
class Cost:
    """CPU seconds and bytes of a request, by who takes them."""

    application: float
    database: float
    redis: float
    bytes: float


@dataclass(frozen=True)
class Cores:
    """CPU seconds a second, by who takes them."""

    application: float
    primary: float
    replicas: float
    redis: float

    def times(self, factor: float) -> "Cores":
        """So many times as much."""
        return Cores(
            self.application * factor,
            self.primary * factor,
            self.replicas * factor,
            self.redis * factor,
        )


@dataclass(frozen=True)
class Step:
    """What so many people took of each part in the load test."""

    people: int
    cores: Cores


@dataclass(frozen=True)
class Costs:
    """What the tables say: of a person, of requests by their kind, of frames, sockets and
    processes."""

    person: Cores
    kinds: Mapping[str, Cost]
    frame: float
    """CPU seconds."""
    ping: float
    """CPU seconds a second of an idle socket."""
    socket: float
    """Bytes of memory."""
    process: float
    """Bytes of memory of one that serves."""


@dataclass(frozen=True)
class Plant:
    """What there is: by default production as Terraform and the overlay have it, at its largest."""

    pods: int = 20
    cores_a_pod: float = 1.0
    """A process is one loop."""
    memory_a_pod: float = 1024.0**3
    primary_cores: float = 2.0
    replicas: int = 3
    replica_cores: float = 2.0
    redis_cores: float = 3.0
    """A core a shard."""
    connections_a_process: int = 20
    max_connections: int = 1600
    other_processes: int = 17
    """Of the other pools, and of a deployment that is going on."""
    bits: float = 12.5e9
    """A second, of all nodes together."""


@dataclass(frozen=True)
class Demand:
    """What people take a second."""

    people: float
    requests: float
    orders: float
    cores: Cores
    bytes: float
    sockets: float
    socket_bytes: float


def steps(load: Tables) -> list[Step]:
    """Those of docs/load.md, from the first to the last."""
    found = load.those(f"cores: {APPLICATION}", "load")
    return [
        Step(
            int(people.replace(",", "")),
            Cores(*(load.figure(f"cores: {part}", "load", people) for part in GROWS)),
        )
        for people in found
    ]


def costs(tables: Tables, load: Tables) -> Costs:
    """From the tables of docs/performance.md and docs/load.md: a person as in the largest step at
    which the goals were met. Raises KeyError where one is missing."""
    met = [step for step in steps(load) if load.told("met", "load", f"{step.people:,}") != "no"]
    if not met:
        raise KeyError("no step at which the goals were met")
    redis = tables.figure("Redis's µs", "edge", "all, limits in Redis") / 1e6
    kinds = {}
    for kind in (CATALOGUE, LIST, DETAIL, PLACE):
        beside = tables.figure("PostgreSQL's and Redis's µs", "api", kind, "Comanda") / 1e6
        # What is kept ready is counted in Redis like all else, many in one call.
        shared = min(redis, beside)
        kinds[kind] = Cost(
            tables.figure("CPU µs", "api", kind, "Comanda") / 1e6,
            beside - shared,
            shared,
            tables.figure("bytes", "api", kind, "Comanda"),
        )
    stored = "Comanda, from memory"
    kinds[STORED] = Cost(
        tables.figure("CPU µs", "pictures", stored) / 1e6,
        0.0,
        0.0,
        tables.figure("KB", "pictures", stored) * 1e3,
    )
    room = "room of 5,000, an event at a time: CPU µs a delivery"
    return Costs(
        met[-1].cores.times(1 / met[-1].people),
        kinds,
        frame=tables.figure("Comanda", "realtime", room) / 1e6,
        ping=tables.figure("Comanda", "realtime", "5,000 idle: % of a core") / 100 / 5_000,
        socket=tables.figure("Comanda", "realtime", "memory a subscribed client, KB") * 1024,
        process=tables.figure("PSS MB", "start", "Comanda: all of it") * 1e6,
    )


def demand(people: float, of: Costs) -> Demand:
    """What so many people take, who all are in the app."""
    rates = _rates(people)
    sockets = people * SOCKETS
    return Demand(
        people,
        sum(rates.values()),
        people / VISIT_SECONDS * ORDERS,
        of.person.times(people),
        sum(rates[kind] * of.kinds[kind].bytes for kind in KINDS),
        sockets,
        sockets * (of.socket + KERNEL_SOCKET_BYTES),
    )


def least(people: float, of: Costs) -> Cores:
    """What their requests, frames and sockets would take if none came between others."""
    rates = _rates(people)
    frames = people / VISIT_SECONDS * ORDERS * (1 + MOVES) * (SOCKETS + BOARDS)
    spent = sum(rates[kind] * of.kinds[kind].application for kind in KINDS)
    return Cores(
        spent + frames * of.frame + people * SOCKETS * of.ping,
        rates[PLACE] * of.kinds[PLACE].database,
        sum(rates[kind] * of.kinds[kind].database for kind in KINDS if kind != PLACE),
        sum(rates[kind] * of.kinds[kind].redis for kind in KINDS),
    )


def _rates(people: float) -> dict[str, float]:
    """Requests a second."""
    return {kind: people / VISIT_SECONDS * VISIT[kind] for kind in KINDS}


def used(wanted: Demand, of: Costs, plant: Plant) -> dict[str, float]:
    """The share of each part that is taken; at 1 there is no more of it."""
    return {
        "CPU of the API's pods": wanted.cores.application / (plant.pods * plant.cores_a_pod),
        "CPU of the primary": wanted.cores.primary / plant.primary_cores,
        "CPU of the replicas": wanted.cores.replicas / (plant.replicas * plant.replica_cores),
        "CPU of Redis": wanted.cores.redis / plant.redis_cores,
        "memory of the API's pods": of.process / plant.memory_a_pod
        + wanted.socket_bytes / (plant.pods * plant.memory_a_pod),
        "bandwidth": wanted.bytes * 8 / plant.bits,
        "connections to the primary": connections(plant) / plant.max_connections,
    }


def connections(plant: Plant) -> int:
    """What the primary may be asked for: each process has a pool to read and one to write."""
    return (plant.pods + plant.other_processes) * plant.connections_a_process * 2


def pods_needed(wanted: Demand, plant: Plant, share: float) -> int:
    """Pods that are then busy to that share of a core."""
    return max(1, math.ceil(wanted.cores.application / (plant.cores_a_pod * share)))


def first_wall(of: Costs, plant: Plant) -> tuple[str, float]:
    """What grows with people and is used up first, and at how many people. All of it is linear."""
    none, some = used(demand(0, of), of, plant), used(demand(1000, of), of, plant)
    walls = {
        part: 1000 * (1 - none[part]) / (some[part] - none[part])
        for part in some
        if some[part] > none[part]
    }
    part = min(walls, key=lambda each: walls[each])
    return part, walls[part]
