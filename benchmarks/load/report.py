"""A run as text for docs/load.md, and as a page with its course."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import Any, Final

from benchmarks import page
from benchmarks.load.conductor import Sample, Window
from benchmarks.load.figures import Entry, Histogram, Scraped, Second, Taken
from benchmarks.load.machine import APPLICATION, CORES, GENERATOR, PARTS, Usage
from benchmarks.load.truth import Verdict
from infra.observability.graph import Graph, Series

# What is promised (milliseconds, shares).
GOAL_P95: Final = 95.0
GOAL_P99: Final = 150.0
GOAL_ERRORS: Final = 0.0002
GOAL_HITS: Final = 0.95
_HTTP: Final = "comanda_http_request_duration_seconds"
_STATEMENTS: Final = "comanda_database_statement_seconds"
_READS: Final = "comanda_cache_reads_total"
_PICTURES: Final = ("thumbnail", "picture")
_BUCKET: Final = 5.0
_WIDTH, _HEIGHT = 560, 230
_GRAPHS_A_ROW: Final = 2
_NOTHING: Final = "-"


@dataclass(frozen=True)
class Server:
    """What the application counted in a window."""

    api: Histogram
    pictures: Histogram
    statements: float
    hits: float | None
    """The share of values that came without a query."""
    lag: Histogram
    """From a change until it was written to all who watch."""

    @classmethod
    def between(cls, before: Scraped, after: Scraped) -> "Server":
        """Two moments."""

        def histogram(name: str, *starts: str) -> Histogram:
            several = (
                after.histogram(name, starts=start) - before.histogram(name, starts=start)
                for start in starts
            )
            return sum(several, Histogram())

        def reads(**labels: str) -> float:
            return after.sum(_READS, **labels) - before.sum(_READS, **labels)

        asked = reads()
        return cls(
            histogram(_HTTP, "/api", "/auth"),
            histogram(_HTTP, "/products"),
            histogram(_STATEMENTS, "").count,
            1 - reads(layer="database") / asked if asked else None,
            histogram("comanda_socket_lag_seconds", ""),
        )

    @classmethod
    def of(cls, window: Window) -> "Server":
        """A whole window."""
        return cls.between(window.samples[0].scraped, window.samples[-1].scraped)


@dataclass(frozen=True)
class Report:
    """Of one run; `course` is all of it, `window` what is measured."""

    command: str
    window: Window
    verdict: Verdict
    samples: Sequence[Sample]
    seconds: Sequence[Second]
    workers: int
    table: str = ""
    """What only this kind of run has."""

    def markdown(self) -> str:
        """All tables."""
        return "\n".join(
            (
                self._setting(),
                *([self.table] if self.table else []),
                self._times(),
                self._specification(),
                self._business(),
                self._parts(),
                self._routes(),
                truths(self.verdict),
            )
        )

    def html(self) -> str:
        """The same, with how it went over time; it loads nothing from anywhere."""
        metrics = escape(json.dumps(self.window.metrics, indent=1))
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Comanda: a lunch</title>'
            "<style>body{font:15px/1.5 sans-serif;max-width:74rem;margin:2rem auto;padding:0 1rem}"
            "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ddd;"
            "padding:.2rem .6rem;text-align:left}</style>"
            f"<h1>A lunch of {self.window.people:,} people</h1>{self.svg()}"
            f"{''.join(_as_html(self.markdown()))}"
            f"<h2>GET /api/admin/metrics, at the end</h2><pre>{metrics}</pre></html>\n"
        )

    def svg(self) -> str:
        """How it went over time: people, requests, latencies, errors, CPU and memory."""
        drawn = [
            "".join(graph.drawn(series, self._since, self._until))
            for graph, series in self._graphs()
        ]
        placed, bottom = "", 0
        for number, each in enumerate(drawn):
            row, place = divmod(number, _GRAPHS_A_ROW)
            placed += f'<g transform="translate({place * _WIDTH},{row * _HEIGHT})">{each}</g>'
            bottom = (row + 1) * _HEIGHT
        width = _GRAPHS_A_ROW * _WIDTH
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom}"'
            f' width="{width}" font-family="sans-serif" font-size="11" fill="#333">'
            f"{placed}</svg>\n"
        )

    # Tables

    def _setting(self) -> str:
        window = self.window
        return (
            f"`{self.command}`, {datetime.fromtimestamp(window.samples[0].at, UTC):%Y-%m-%d}: "
            f"{window.people:,} people for {window.elapsed / 60:.1f} minutes, the application in "
            f"{self.workers} processes, PostgreSQL with replicas, Redis and S3 beside it, and the "
            f"generator on the same machine. {page.machine()}.\n"
        )

    def _times(self) -> str:
        entries = [entry for second in self.window.seconds for entry in second.requests]
        pictures = Taken.of(entry for entry in entries if entry.name in _PICTURES)
        api = Taken.of(entry for entry in entries if entry.name not in _PICTURES)
        server = Server.of(self.window)
        rows = [
            "| seen by | what | requests/s | mean ms | p50 ms | p95 ms | p99 ms | errors |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, taken in (("all", self.window.taken), ("API", api), ("pictures", pictures)):
            rows.append(
                f"| the client | {name} | {taken.requests / self.window.elapsed:,.0f} "
                f"| {taken.mean:.1f} | {_quantiles(taken)} | {_errors(taken)} |"
            )
        for name, histogram in (("API", server.api), ("pictures", server.pictures)):
            rows.append(
                f"| the server | {name} | {histogram.count / self.window.elapsed:,.0f} "
                f"| {1e3 * histogram.seconds / max(1.0, histogram.count):.1f} "
                f"| {_milliseconds(histogram)} | |"
            )
        return "\n".join(rows) + (
            f"\n\nOf the API's requests {server.api.within(0.1):.2%} took no more than 100 ms at "
            "the server, which counts until all of an answer is sent; its percentiles lie between "
            "two bounds of a histogram.\n"
        )

    def _specification(self) -> str:
        taken, server = self.window.taken, Server.of(self.window)
        p95, p99 = taken.quantile(0.95), taken.quantile(0.99)
        hits = server.hits
        rows = (
            ("people at once", _NOTHING, "5,000", f"{self.window.people:,}", None),
            ("minutes", _NOTHING, "30", f"{self.window.elapsed / 60:.0f}", None),
            ("p95", "450 ms", f"{GOAL_P95:.0f} ms", f"{p95:.0f} ms", p95 <= GOAL_P95),
            ("p99", _NOTHING, f"{GOAL_P99:.0f} ms", f"{p99:.0f} ms", p99 <= GOAL_P99),
            (
                "errors",
                _NOTHING,
                f"{GOAL_ERRORS:.2%}",
                f"{taken.error_share:.3%}",
                taken.error_share <= GOAL_ERRORS,
            ),
            (
                "hits of the cache",
                _NOTHING,
                f"{GOAL_HITS:.0%}",
                _share(hits),
                None if hits is None else hits >= GOAL_HITS,
            ),
        )
        words = {None: "", True: "met", False: "missed"}
        lines = [
            f"| {name} | {v2} | {v3} | {found} | {words[met]} |"
            for name, v2, v3, found, met in rows
        ]
        head = "| | specification, v2 | v3 | measured, at the client | |\n|---|---|---|---|---|\n"
        return head + "\n".join(lines) + "\n"

    def _business(self) -> str:
        window = self.window
        first, last = window.samples[0], window.samples[-1]
        server = Server.of(window)
        orders = sum(entry.requests - entry.failures for entry in _named(window, "order"))
        moves = sum(entry.requests - entry.failures for entry in _named(window, "move"))
        nodes = {
            name: (last.nodes[name].transactions - node.transactions) / window.elapsed
            for name, node in first.nodes.items()
            if name in last.nodes
        }
        commands = (last.redis.commands - first.redis.commands) / window.elapsed
        told = ", ".join(f"{rate:,.0f} on {name}" for name, rate in nodes.items())
        return (
            f"- {orders:,} orders ({60 * orders / window.elapsed:,.0f} a minute), moved on "
            f"{moves:,} times by the counters.\n"
            f"- {self.verdict.compared['top-ups']:,} top-ups in the whole run, of which "
            f"{_share(self.verdict.accepted)} were accepted.\n"
            f"- Hits: {_share(server.hits)} of the values that the API asked its cache for.\n"
            f"- {server.statements / window.elapsed:,.0f} statements a second by the application; "
            f"transactions a second: {told}. {commands:,.0f} commands of Redis a second.\n"
        )

    def _parts(self) -> str:
        first, last = self.window.samples[0], self.window.samples[-1]
        elapsed = self.window.elapsed
        rows = [
            "| part | processes | cores | of the machine | MB | open files | waited for a core |",
            "|---|---|---|---|---|---|---|",
        ]
        for part in PARTS:
            before, after = first.usage[part], last.usage[part]
            cores = (after.cpu - before.cpu) / elapsed
            rows.append(
                f"| {part} | {after.processes} | {cores:.2f} | {cores / CORES:.0%} "
                f"| {after.memory / 1e6:,.0f} | {after.files:,} | {waited(before, after):.0%} |"
            )
        busy = (last.busy - first.busy) / elapsed
        rows.append(f"| the machine | | {busy:.2f} | {busy / CORES:.0%} | | | |")
        requests = Server.of(self.window).api.count + Server.of(self.window).pictures.count
        before, after = first.usage[APPLICATION], last.usage[APPLICATION]
        generator = last.usage[GENERATOR].cpu - first.usage[GENERATOR].cpu
        return "\n".join(rows) + (
            '\n\n"Waited for a core" is the share of the time in which threads could have run and '
            "did not, for others did. The application's waited "
            f"{1e3 * (after.delay - before.delay) / max(1.0, requests):.2f} ms and worked "
            f"{1e3 * (after.cpu - before.cpu) / max(1.0, requests):.2f} ms for each request. The "
            f"generator took {generator / elapsed / CORES:.0%} of the machine, which in production "
            "are the people's own phones. The same work took a core "
            f"{self.window.pace:.2f} ms.\n"
        )

    def _routes(self) -> str:
        by_name: dict[str, list[Entry]] = {}
        for second in self.window.seconds:
            for entry in second.entries:
                by_name.setdefault(f"{entry.method} {entry.name}", []).append(entry)
        rows = [
            "| at the client | requests | mean ms | p50 ms | p95 ms | p99 ms | errors |",
            "|---|---|---|---|---|---|---|",
        ]
        taken = {name: Taken.of(entries) for name, entries in by_name.items()}
        for name, each in sorted(taken.items(), key=lambda pair: -pair[1].requests):
            rows.append(
                f"| {name} | {each.requests:,} | {each.mean:.1f} | {_quantiles(each)} "
                f"| {each.failures or ''} |"
            )
        errors = [f"- {count:,} times {words}" for words, count in self.window.errors.most_common()]
        return "\n".join([*rows, "", *errors, ""])

    # Graphs

    @property
    def _since(self) -> float:
        return self.seconds[0].at

    @property
    def _until(self) -> float:
        return self.seconds[-1].at

    def _graphs(self) -> Iterator[tuple[Graph, list[Series]]]:
        buckets = list(_buckets(self.seconds))
        people = [(at, float(several[-1].people)) for at, several in buckets]
        yield Graph("People", "", _WIDTH, _HEIGHT), [Series("people", people)]
        taken = [(at, Taken.of(e for s in several for e in s.requests)) for at, several in buckets]
        rate = [(at, each.requests / _BUCKET) for at, each in taken]
        yield Graph("Requests", "reqps", _WIDTH, _HEIGHT), [Series("requests", rate)]
        times = [
            Series(f"p{n}", [(at, each.quantile(n / 100) / 1e3) for at, each in taken])
            for n in (50, 95, 99)
        ]
        yield Graph("Latency at the client", "s", _WIDTH, _HEIGHT), times
        servers = [
            (after.at, after.at - before.at, Server.between(before.scraped, after.scraped))
            for before, after in pairwise(self.samples)
        ]
        yield (
            Graph("Latency of the API at the server", "s", _WIDTH, _HEIGHT),
            [
                Series(f"p{n}", [(at, server.api.quantile(n / 100)) for at, _, server in servers])
                for n in (50, 95, 99)
            ],
        )
        errors = [(at, each.failures / _BUCKET) for at, each in taken]
        yield Graph("Errors", "ops", _WIDTH, _HEIGHT), [Series("errors", errors)]
        statements = [(at, server.statements / seconds) for at, seconds, server in servers]
        yield Graph("Statements", "ops", _WIDTH, _HEIGHT), [Series("statements", statements)]
        yield Graph("CPU, cores", "", _WIDTH, _HEIGHT), [self._cpu(part) for part in PARTS]
        memory = [
            Series(part, [(each.at, float(each.usage[part].memory)) for each in self.samples])
            for part in PARTS
        ]
        yield Graph("Memory", "bytes", _WIDTH, _HEIGHT), memory

    def _cpu(self, part: str) -> Series:
        points = [
            (after.at, (after.usage[part].cpu - before.usage[part].cpu) / (after.at - before.at))
            for before, after in pairwise(self.samples)
        ]
        return Series(part, points)


def truths(verdict: Verdict) -> str:
    """What was compared after all had left, and what differs."""
    compared = ", ".join(f"{count:,} {what}" for what, count in verdict.compared.items())
    if not verdict.differences:
        return f"Compared when all had left: {compared}. Nothing differs.\n"
    lines = "".join(f"- {line}\n" for line in verdict.differences)
    return f"Compared when all had left: {compared}. **What differs:**\n\n{lines}"


def _named(window: Window, name: str) -> list[Entry]:
    return [entry for second in window.seconds for entry in second.entries if entry.name == name]


def _buckets(seconds: Sequence[Second]) -> Iterator[tuple[float, list[Second]]]:
    several: list[Second] = []
    for second in seconds:
        several.append(second)
        if second.at - several[0].at >= _BUCKET - 1:
            yield second.at, several
            several = []


def _quantiles(taken: Taken) -> str:
    return " | ".join(f"{taken.quantile(n / 100):.0f}" for n in (50, 95, 99))


def _milliseconds(histogram: Histogram) -> str:
    return " | ".join(f"{1e3 * histogram.quantile(n / 100):.0f}" for n in (50, 95, 99))


def _errors(taken: Taken) -> str:
    return f"{taken.failures:,} ({taken.error_share:.3%})"


def _share(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}"


def waited(before: Usage, after: Usage) -> float:
    """The share of the time in which threads could have run and had no core."""
    delay, cpu = after.delay - before.delay, after.cpu - before.cpu
    return delay / (delay + cpu) if delay + cpu else 0.0


def _as_html(markdown: str) -> Iterable[str]:
    """As much of Markdown as we write: tables, lists, paragraphs."""
    for block in markdown.split("\n\n"):
        lines = [line for line in block.splitlines() if line]
        if not lines:
            continue
        if lines[0].startswith("|"):
            cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            rows = (f"<tr>{_cells(row)}</tr>" for n, row in enumerate(cells) if n != 1)
            yield f"<table>{''.join(rows)}</table>"
        elif lines[0].startswith("- "):
            yield f"<ul>{''.join(f'<li>{escape(line[2:])}</li>' for line in lines)}</ul>"
        else:
            yield f"<p>{escape(' '.join(lines)).replace('**', '').replace('`', '')}</p>"


def _cells(row: Sequence[Any]) -> str:
    return "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
