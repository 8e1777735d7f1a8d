"""Lines over time as an SVG, without a library."""

from __future__ import annotations

from html import escape
from typing import Final

from msgspec import Struct

_LEFT, _TOP, _BOTTOM = 62, 34, 54
_COLORS: Final = ("#2f6fb0", "#d9822b", "#3a9a5b", "#b5474b", "#7a5fb0", "#4aa3a8", "#8a6d3b")
_MOST_SERIES: Final = 7
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


class Graph(Struct, frozen=True):
    """A place of so many pixels for lines, with a title and Grafana's name of their unit."""

    title: str
    unit: str
    width: int
    height: int

    def drawn(self, found: list[Series], since: float, until: float) -> list[str]:
        """Parts of an SVG, from its left upper corner; of many series the highest."""
        shown = sorted(found, key=lambda each: -max((v for _, v in each.points), default=0.0))
        shown = shown[:_MOST_SERIES]
        most = max((v for each in shown for _, v in each.points), default=0.0) or 1.0
        _, divisor, unit = next(u for u in _UNITS.get(self.unit, _NO_UNIT) if most >= u[0])
        right, bottom = self.width - 12, self.height - _BOTTOM
        parts = [
            f'<rect width="{self.width}" height="{self.height}" rx="3" fill="#fff" stroke="#ddd"/>',
            f'<text x="10" y="20" font-size="13" font-weight="bold">{escape(self.title)}</text>',
        ]
        for share in (0.0, 0.5, 1.0):
            y = bottom - (bottom - _TOP) * share
            told = f"{most * share / divisor:,.4g}{unit}"
            parts.append(
                f'<line x1="{_LEFT}" y1="{y:.0f}" x2="{right}" y2="{y:.0f}" stroke="#eee"/>'
            )
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{told}</text>')
        for color, each in zip(_COLORS, shown, strict=False):
            line = " ".join(
                f"{_LEFT + (right - _LEFT) * (at - since) / (until - since):.1f},"
                f"{bottom - (bottom - _TOP) * value / most:.1f}"
                for at, value in each.points
            )
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>'
            )
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
