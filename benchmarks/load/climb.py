"""How many people the goals hold for: more and more of them come, until they do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.load.conductor import Conductor, Window
from benchmarks.load.figures import Histogram
from benchmarks.load.machine import APPLICATION, CORES, GENERATOR, PRIMARY, REDIS, REPLICAS
from benchmarks.load.report import GOAL_ERRORS, GOAL_P95, GOAL_P99, Server, waited

STEPS: Final = 10
SECONDS: Final = 30.0
# What grows with people.
GROWS: Final = (APPLICATION, PRIMARY, REPLICAS, REDIS)
# One step may have met a checkpoint, or somebody else on the machine.
_MISSES: Final = 2


@dataclass(frozen=True)
class Step:
    """So many people, and what became of them."""

    window: Window
    server: Histogram

    @property
    def is_met_at_client(self) -> bool:
        """Whether the generator saw what is promised."""
        taken = self.window.taken
        return (
            taken.error_share <= GOAL_ERRORS
            and taken.quantile(0.95) <= GOAL_P95
            and taken.quantile(0.99) <= GOAL_P99
        )

    @property
    def is_met_at_server(self) -> bool:
        """The same of the API, as the application saw it."""
        return (
            self.window.taken.error_share <= GOAL_ERRORS
            and 1e3 * self.server.quantile(0.95) <= GOAL_P95
            and 1e3 * self.server.quantile(0.99) <= GOAL_P99
        )


def climb(conductor: Conductor, most: int, count: int, say: Callable[[str], None]) -> list[Step]:
    """In `count` steps to `most` people, or until what is promised is missed twice in a row."""
    steps: list[Step] = []
    for number in range(1, count + 1):
        conductor.gather(most * number // count)
        steps.append(measured(conductor, SECONDS, say))
        if not any(step.is_met_at_client for step in steps[-_MISSES:]) and number >= _MISSES:
            break
    return steps


def measured(conductor: Conductor, seconds: float, say: Callable[[str], None]) -> Step:
    """What becomes of those who are there."""
    window = conductor.measure(seconds)
    step = Step(window, Server.of(window).api)
    met = "met" if step.is_met_at_client else "missed"
    p95, p99 = (window.taken.quantile(share) for share in (0.95, 0.99))
    say(f"{window.people:,} people: p95 {p95:.0f} ms, p99 {p99:.0f} ms, {met}")
    return step


def table(steps: Sequence[Step]) -> str:
    """All steps, and the highest that met what is promised."""
    rows = [
        "| people | requests/s | client p95 ms | p99 | server p95 ms | p99 | errors "
        "| machine | of it the generator | the application waited for a core "
        "| the same work, CPU ms | met |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for step in steps:
        window, taken = step.window, step.window.taken
        first, last = window.samples[0], window.samples[-1]
        machine = window.elapsed * CORES
        generator = last.usage[GENERATOR].cpu - first.usage[GENERATOR].cpu
        met = {(True, True): "yes", (False, True): "at the server"}
        rows.append(
            f"| {window.people:,} | {taken.requests / window.elapsed:,.0f} "
            f"| {taken.quantile(0.95):.0f} | {taken.quantile(0.99):.0f} "
            f"| {1e3 * step.server.quantile(0.95):.0f} | {1e3 * step.server.quantile(0.99):.0f} "
            f"| {taken.error_share:.3%} | {(last.busy - first.busy) / machine:.0%} "
            f"| {generator / machine:.0%} "
            f"| {waited(first.usage[APPLICATION], last.usage[APPLICATION]):.0%} "
            f"| {window.pace:.2f} "
            f"| {met.get((step.is_met_at_client, step.is_met_at_server), 'no')} |"
        )
    client = max((s.window.people for s in steps if s.is_met_at_client), default=0)
    server = max((s.window.people for s in steps if s.is_met_at_server), default=0)
    return "\n".join(rows) + (
        f"\n\nThe goals (p95 {GOAL_P95:.0f} ms, p99 {GOAL_P99:.0f} ms, errors {GOAL_ERRORS:.2%}) "
        f"are met for {client:,} people at the client, and for {server:,} at the server.\n\n"
        f"{_cores(steps)}"
    )


def _cores(steps: Sequence[Step]) -> str:
    """What so many people took of each part, by which docs/scaling.md goes on."""
    rows = [
        f"| people | {' | '.join(f'cores: {part}' for part in GROWS)} |",
        "|---|" + "---|" * len(GROWS),
    ]
    for step in steps:
        first, last = step.window.samples[0].usage, step.window.samples[-1].usage
        cores = [(last[part].cpu - first[part].cpu) / step.window.elapsed for part in GROWS]
        rows.append(f"| {step.window.people:,} | {' | '.join(f'{each:.3f}' for each in cores)} |")
    return "\n".join(rows) + "\n"
