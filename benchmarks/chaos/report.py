"""What came of each fault, as a table; and by which of them each alert fires."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import page
from benchmarks.chaos import figures
from benchmarks.chaos.alerts import SCALE
from benchmarks.chaos.faults import ELSEWHERE, Fault
from benchmarks.load.figures import Second
from benchmarks.load.truth import Verdict

# Seconds that it is waited for that all is as before.
PATIENCE: Final = 60.0
_HEAD: Final = (
    "| what | lasted | requests without an answer | reading | writing | pictures"
    " | as before after | all parts after | alerts, after |\n|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Outcome:
    """Of a fault; moments in seconds since 1970."""

    fault: Fault
    calm: float
    """Milliseconds that 95 % of requests took at most before it."""
    struck: float
    over: float
    whole: float | None
    """When no part was missing any more,"""
    ended: float
    """and when that was no longer waited for."""
    seconds: Sequence[Second]
    fired: dict[str, float]
    outages: dict[str, float]

    @property
    def missing(self) -> list[str]:
        """Alerts that did not fire."""
        return [name for name in self.fault.alerts if name not in self.fired]

    @property
    def row(self) -> str:
        """Of the table."""
        during = figures.within(self.seconds, self.struck, self.ended)
        taken, kinds = figures.taken(during), figures.kinds(during)
        healed = figures.healed(self.seconds, self.struck, self.calm)
        why = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        told = ", ".join(
            f"{name} {at - self.struck:.0f} s"
            for name, at in sorted(self.fired.items(), key=lambda one: one[1])
        )
        outages = " | ".join(f"{seconds:.1f} s" for seconds in self.outages.values())
        return (
            f"| {self.fault.words} | {self.over - self.struck:.0f} s"
            f" | {taken.error_share:.2%} of {taken.requests:,}{why and f': {why}'}"
            f" | {outages} | {_seconds(healed)}"
            f" | {_seconds(self.whole and self.whole - self.over)} | {told or 'none'} |"
        )


def text(users: int, outcomes: Sequence[Outcome], verdict: Verdict) -> str:
    """All of it, for the page."""
    compared = ", ".join(f"{count:,} {what}" for what, count in verdict.compared.items())
    found = "; ".join(verdict.differences) or "nothing differs"
    fired = {
        name: outcome.fault.words
        for outcome in reversed(outcomes)
        for name in outcome.fault.alerts
        if name in outcome.fired
    }
    alerts = [f"| `{name}` | {words} |" for name, words in sorted(fired.items())]
    others = [f"| `{name}` | {why} |" for name, why in ELSEWHERE.items()]
    return "\n".join(
        [
            f"{users} people, {page.machine()}; times of rules are {SCALE} times shorter.",
            "",
            _HEAD,
            *(outcome.row for outcome in outcomes),
            "",
            f"What people were told beside what is held in the end: {compared}: {found}.",
            "",
            "| alert | fired when |",
            "|---|---|",
            *alerts,
            "",
            "| alert | wants |",
            "|---|---|",
            *others,
            "",
        ]
    )


def _seconds(of: float | None) -> str:
    return f"**not within {PATIENCE:.0f} s**" if of is None else f"{of:.0f} s"
