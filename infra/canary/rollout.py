"""What Argo Rollouts does with our manifests, as far as they use it (docs/features/analysis.md).

Times are divided by a scale, and so is what the queries say of time and traffic.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Manifest = dict[str, Any]
Weigh = Callable[[int], Awaitable[None]]
"""Gives the new version so many hundredths of the traffic."""
Ask = Callable[[str], Awaitable[list[float]]]
"""What Prometheus says to a query. Raises OSError."""
Report = Callable[[str], None]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_PERCENT: Final = 100


class Outcome(StrEnum):
    """Of a rollout."""

    PROMOTED = "promoted"
    ABORTED = "aborted"
    PAUSED = "paused"
    """Somebody has to look."""


@dataclass(frozen=True)
class End:
    """How a rollout ended, by which metric if by one, at what weight, and after how many seconds of
    unscaled time."""

    outcome: Outcome
    metric: str
    weight: int
    seconds: float


class _Over(Exception):  # noqa: N818
    """A metric ends the rollout."""

    def __init__(self, outcome: Outcome, metric: str) -> None:
        super().__init__(metric)
        self.outcome = outcome
        self.metric = metric


class Rollout:
    """One rollout of a new version, by the steps of a Rollout and the AnalysisTemplate it names."""

    def __init__(
        self,
        manifests: list[Manifest],
        *,
        weigh: Weigh,
        ask: Ask,
        report: Report,
        scale: float,
        version: str,
    ) -> None:
        (rollout,) = [each for each in manifests if each["kind"] == "Rollout"]
        self._canary = rollout["spec"]["strategy"]["canary"]
        (named,) = self._canary["analysis"]["templates"]
        (template,) = [
            each
            for each in manifests
            if each["kind"] == "AnalysisTemplate"
            and each["metadata"]["name"] == named["templateName"]
        ]
        self._metrics: list[Manifest] = template["spec"]["metrics"]
        self._weigh = weigh
        self._ask = ask
        self._report = report
        self._scale = scale
        self._version = version
        self._began = 0.0
        self._weight = 0

    async def run(self) -> End:
        """Take every step, unless a metric says otherwise."""
        self._began = time.monotonic()
        await self._set(0)
        analysis: list[asyncio.Task[None]] = []
        steps = asyncio.create_task(self._take_steps(analysis))
        try:
            while not steps.done():
                done, _ = await asyncio.wait({steps, *analysis}, timeout=0.05)
                for each in done:
                    # What it raises ends the rollout.
                    each.result()
        except _Over as over:
            weight = self._weight
            self._tell(f"{over.outcome} by {over.metric}")
            if over.outcome is Outcome.ABORTED:
                await self._set(0)
            return End(over.outcome, over.metric, weight, self._passed())
        finally:
            for each in (steps, *analysis):
                each.cancel()
            await asyncio.gather(steps, *analysis, return_exceptions=True)
        self._tell(Outcome.PROMOTED)
        return End(Outcome.PROMOTED, "", self._weight, self._passed())

    async def _take_steps(self, analysis: list[asyncio.Task[None]]) -> None:
        for number, step in enumerate(self._canary["steps"]):
            if number == self._canary["analysis"]["startingStep"]:
                analysis += [asyncio.create_task(self._watch(each)) for each in self._metrics]
            if "setWeight" in step:
                await self._set(step["setWeight"])
            else:
                await asyncio.sleep(self._scaled(step["pause"]["duration"]))

    async def _set(self, weight: int) -> None:
        self._weight = weight
        await self._weigh(weight)
        self._tell(f"weight {weight} %")

    async def _watch(self, metric: Manifest) -> None:
        await asyncio.sleep(self._scaled(metric["initialDelay"]))
        failed = inconclusive = errors = 0
        while True:
            try:
                found = await self._ask(self._query(metric))
            except OSError as error:
                errors += 1
                self._tell(f"{metric['name']}: {error}")
            else:
                errors = 0
                failed += (fails := holds(metric["failureCondition"], found))
                inconclusive += not fails and not holds(metric["successCondition"], found)
                if fails:
                    self._tell(f"{metric['name']} is {found[0]:.3g}, {failed} times now")
            if failed > metric["failureLimit"] or errors > metric["consecutiveErrorLimit"]:
                raise _Over(Outcome.ABORTED, metric["name"])
            if inconclusive > metric["inconclusiveLimit"]:
                raise _Over(Outcome.PAUSED, metric["name"])
            await asyncio.sleep(self._scaled(metric["interval"]))

    def _query(self, metric: Manifest) -> str:
        query: str = metric["provider"]["prometheus"]["query"]
        query = query.replace("{{args.version}}", self._version)
        query = re.sub(r"\[(\w+)\]", lambda at: f"[{self._scaled(at[1]) * 1000:.0f}ms]", query)
        # In so much less time there are so many fewer requests.
        return re.sub(r">= (\d+)\s*$", lambda at: f">= {int(at[1]) / self._scale}", query)

    def _scaled(self, duration: str) -> float:
        return int(duration[:-1]) * _UNITS[duration[-1]] / self._scale

    def _passed(self) -> float:
        return (time.monotonic() - self._began) * self._scale

    def _tell(self, what: str) -> None:
        minutes, seconds = divmod(int(self._passed()), 60)
        self._report(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} {what}")


def holds(condition: str, result: list[float]) -> bool:
    """Whether a condition of a metric holds: the part of expr-lang that reads like Python."""
    words = condition.replace("&&", " and ").replace("||", " or ")
    given = {"__builtins__": {}, "len": len, "result": result}
    # The words are of our own manifests, which a policy compares to the letter.
    return bool(eval(words, given))  # noqa: S307
