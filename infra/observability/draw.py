"""`python -m infra.observability.draw URL DIRECTORY`: the dashboards as pictures, of a Prometheus,
for documents and for whoever has no Grafana."""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
import urllib.request
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from infra.observability.dashboards import DASHBOARDS, RATE, Dashboard, Panel

_COLUMN, _ROW, _GAP = 400, 230, 12
_LEFT, _TOP, _BOTTOM = 62, 34, 54
_COLORS: Final = ("#2f6fb0", "#d9822b", "#3a9a5b", "#b5474b", "#7a5fb0", "#4aa3a8", "#8a6d3b")
_MOST_SERIES: Final = 7
_POINTS: Final = 120
_LEGEND: Final = 52
# By Grafana's name of a unit: from how much on a number is divided by what, and called what.
_UNITS: Final[dict[str, tuple[tuple[float, float, str], ...]]] = {
    "s": ((1.0, 1.0, " s"), (0.0, 1e-3, " ms")),
    "percentunit": ((0.0, 1e-2, " %"),),
    "bytes": ((1e6, 1e6, " MB"), (0.0, 1e3, " kB")),
    "Bps": ((1e6, 1e6, " MB/s"), (0.0, 1e3, " kB/s")),
    "reqps": ((0.0, 1.0, "/s"),),
    "ops": ((0.0, 1.0, "/s"),),
}
_NO_UNIT: Final = ((0.0, 1.0, ""),)


class Series(Struct, frozen=True):
    """What a graph shows as one line: moments (seconds since 1970) and values."""

    name: str
    points: list[tuple[float, float]]


def drawn(prometheus: str, dashboard: Dashboard, seconds: float) -> str:
    """An SVG of the last seconds."""
    until = time.time()
    since = until - seconds
    places = dashboard.grafana()["panels"]
    height = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in places) // 8 * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * _COLUMN} {height}"'
        ' font-family="sans-serif" font-size="11" fill="#333">',
        f"<title>Comanda: {escape(dashboard.title)}</title>",
        '<rect width="100%" height="100%" fill="#f4f5f5"/>',
    ]
    for panel, placed in zip(dashboard.panels, places, strict=True):
        at = placed["gridPos"]
        x, y, width = at["x"] * _COLUMN // 8, at["y"] * _ROW // 8, at["w"] * _COLUMN // 8
        found = [
            series
            for query in panel.queries
            for series in _asked(prometheus, query.expr, query.legend, since, until)
        ]
        parts.append(f'<g transform="translate({x + _GAP / 2} {y + _GAP / 2})">')
        parts += _panel(panel, found, width - _GAP, since, until)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _asked(prometheus: str, expr: str, legend: str, since: float, until: float) -> list[Series]:
    step = max((until - since) / _POINTS, 1.0)
    asked = {
        "query": expr.replace(RATE, f"{max(4 * step, 15):.0f}s"),
        "start": f"{since:.3f}",
        "end": f"{until:.3f}",
        "step": f"{step:.3f}",
    }
    url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
        told: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return [Series(_named(legend, each["metric"]), _points(each["values"])) for each in told]


def _named(legend: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        legend = legend.replace("{{" + name + "}}", value)
    return legend


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(at, float(value)) for at, value in values if isfinite(float(value))]


def _panel(panel: Panel, found: list[Series], width: int, since: float, until: float) -> list[str]:
    shown = sorted(found, key=lambda each: -max((v for _, v in each.points), default=0.0))
    shown = shown[:_MOST_SERIES]
    most = max((v for each in shown for _, v in each.points), default=0.0) or 1.0
    _, divisor, unit = next(u for u in _UNITS.get(panel.unit, _NO_UNIT) if most >= u[0])
    right, bottom = width - 12, _ROW - _GAP - _BOTTOM
    parts = [
        f'<rect width="{width}" height="{_ROW - _GAP}" rx="3" fill="#fff" stroke="#ddd"/>',
        f'<text x="10" y="20" font-size="13" font-weight="bold">{escape(panel.title)}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = bottom - (bottom - _TOP) * share
        told = f"{most * share / divisor:,.4g}{unit}"
        parts.append(f'<line x1="{_LEFT}" y1="{y:.0f}" x2="{right}" y2="{y:.0f}" stroke="#eee"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{told}</text>')
    for color, each in zip(_COLORS, shown, strict=False):
        line = " ".join(
            f"{_LEFT + (right - _LEFT) * (at - since) / (until - since):.1f},"
            f"{bottom - (bottom - _TOP) * value / most:.1f}"
            for at, value in each.points
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    return parts + _legend(shown, bottom + 18, right)


def _legend(shown: list[Series], y: int, right: int) -> list[str]:
    parts, x = [], 10.0
    for color, each in zip(_COLORS, shown, strict=False):
        name = each.name if len(each.name) <= _LEGEND else each.name[: _LEGEND - 1] + "…"
        wide = 22 + 6.2 * len(name)
        if x > 10 and x + wide > right:
            x, y = 10.0, y + 14
        parts.append(f'<rect x="{x:.0f}" y="{y - 8}" width="9" height="9" fill="{color}"/>')
        parts.append(f'<text x="{x + 13:.0f}" y="{y}">{escape(name)}</text>')
        x += wide
    return parts


def main(prometheus: str, directory: str, seconds: str = "900") -> None:
    """Draw each of them."""
    for each in DASHBOARDS:
        file = Path(directory) / f"{each.uid}.svg"
        file.write_text(drawn(prometheus, each, float(seconds)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
