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

from infra.observability.dashboards import DASHBOARDS, RATE, Dashboard
from infra.observability.graph import Graph, Series

_COLUMN, _ROW, _GAP = 400, 230, 12
_POINTS: Final = 120


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
        graph = Graph(panel.title, panel.unit, width - _GAP, _ROW - _GAP)
        parts += graph.drawn(found, since, until)
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


def main(prometheus: str, directory: str, seconds: str = "900") -> None:
    """Draw each of them."""
    for each in DASHBOARDS:
        file = Path(directory) / f"{each.uid}.svg"
        file.write_text(drawn(prometheus, each, float(seconds)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
