"""Rules for Prometheus: of each objective, how fast it is missed (the SRE workbook, chapter 5);
and the alerts of parts."""

import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

_HERE: Final = Path(__file__).parent
# Of an objective the ratio is recorded over each of these.
_WINDOWS: Final = {
    "5m": 300,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "6h": 21_600,
    "1d": 86_400,
    "3d": 259_200,
}
# Fewer are no outage, however few were asked: at night one would be a tenth of a per cent.
_LEAST_BAD: Final = 5


class Burn(Struct, frozen=True):
    """A budget for 30 days that is spent `factor` times too fast, for so `long` and even now."""

    severity: str
    factor: float
    long: str
    short: str
    wait: str


# 2 % of the budget in an hour, 5 % in six, 10 % in three days: the workbook's own figures.
BURNS: Final = (
    Burn("page", 14.4, "1h", "5m", "2m"),
    Burn("page", 6, "6h", "30m", "15m"),
    Burn("ticket", 3, "1d", "2h", "1h"),
    Burn("ticket", 1, "3d", "6h", "3h"),
)


class Objective(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `all` that counts, the share `target` is not `bad`; both are PromQL, with WINDOW."""

    name: str
    words: str
    target: float
    bad: str
    all: str

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.target, 6)


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody is told when `expr` has held for so long."""

    name: str
    severity: str
    summary: str
    expr: str
    wait: str = msgspec.field(name="for", default="0s")


def objectives() -> list[Objective]:
    """What slo.toml holds."""
    return msgspec.convert(_read("slo.toml")["objective"], list[Objective])


def alerts() -> list[Alert]:
    """What alerts.toml holds."""
    return msgspec.convert(_read("alerts.toml")["alert"], list[Alert])


def groups() -> dict[str, Any]:
    """All rules, as Prometheus reads them.

    What is recorded of an objective and what is asked of it are one group: its rules run in their
    order, and groups do not.
    """
    of_objectives = [_objective(each) for each in objectives()]
    of_parts = {"name": "parts", "interval": "15s", "rules": [_alert(each) for each in alerts()]}
    return {"groups": [*of_objectives, of_parts]}


def _objective(each: Objective) -> dict[str, Any]:
    recorded = [
        {
            "record": f"slo:bad:ratio_rate{window}",
            "expr": f"({_over(each.bad, window)}) / ({_over(each.all, window)})",
            "labels": {"slo": each.name},
        }
        for window in _WINDOWS
    ]
    burns = [_burn(each, burn) for burn in BURNS]
    return {"name": f"slo-{each.name.lower()}", "interval": "30s", "rules": [*recorded, *burns]}


def _burn(of: Objective, burn: Burn) -> dict[str, Any]:
    most = f"{burn.factor:g} * {of.budget:g}"
    ratios = [
        f'slo:bad:ratio_rate{window}{{slo="{of.name}"}} > {most}'
        for window in (burn.long, burn.short)
    ]
    # An aggregate has no labels, and the recorded ratio has one.
    enough = f"on () ({_over(of.bad, burn.long)}) * {_WINDOWS[burn.long]} >= {_LEAST_BAD}"
    return _rule(
        f"{of.name}Burn",
        " and ".join([*ratios, enough]),
        burn.wait,
        {"severity": burn.severity, "window": burn.long},
        f"{of.words}: the budget of 30 days is spent {burn.factor:g} times too fast",
        "{{ $value | humanizePercentage }} missed it for "
        + burn.long
        + f"; {of.budget * 100:g}% may.",
    )


def _alert(each: Alert) -> dict[str, Any]:
    return _rule(
        each.name, _line(each.expr), each.wait, {"severity": each.severity}, each.summary, ""
    )


def _rule(
    name: str, expr: str, wait: str, labels: dict[str, str], summary: str, description: str
) -> dict[str, Any]:
    told = {"summary": summary, "description": description, "runbook_url": runbook(name)}
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        "labels": labels,
        "annotations": {name: words for name, words in told.items() if words},
    }


def runbook(alert: str) -> str:
    """Where it says what to do."""
    return f"{_read('alerts.toml')['runbooks']}#{alert.lower()}"


def _over(expr: str, window: str) -> str:
    return _line(expr).replace("WINDOW", window)


def _line(expr: str) -> str:
    return " ".join(expr.split())


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text("utf-8"))
