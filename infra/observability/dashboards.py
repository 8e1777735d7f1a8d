"""Dashboards for Grafana: what each panel asks of Prometheus, and where it stands."""

from typing import Any, Final

from msgspec import Struct

# Grafana's grid is 24 wide.
_WIDTH: Final = 24
_HEIGHT: Final = 8
# Of Grafana: at least four scrapes, and as long as a point of the graph is wide.
RATE: Final = "$__rate_interval"
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_PROBES: Final = 'route!~"/health|/ready|/metrics"'
_PICTURES: Final = 'route=~"/(products|v)/.+"'
_HITS: Final = 'layer=~"memory|redis"'
_DONE: Final = 'outcome="done"'
_SECONDS: Final = "comanda_http_request_duration_seconds"


class Query(Struct, frozen=True):
    """PromQL, and what its series are called, by their labels."""

    expr: str
    legend: str


class Panel(Struct, frozen=True):
    """A graph of series in one unit (Grafana's name of it), and what it is to tell."""

    title: str
    unit: str
    words: str
    queries: tuple[Query, ...]
    width: int = 8


class Dashboard(Struct, frozen=True):
    """Panels from left to right, and then from top to bottom."""

    uid: str
    title: str
    panels: tuple[Panel, ...]

    def grafana(self) -> dict[str, Any]:
        """As Grafana imports it."""
        return {
            "uid": f"comanda-{self.uid}",
            "title": f"Comanda: {self.title}",
            "tags": ["comanda"],
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "schemaVersion": 39,
            "templating": {"list": [_VARIABLE]},
            "annotations": {"list": [_ALERTS]},
            "panels": self._placed(),
        }

    def _placed(self) -> list[dict[str, Any]]:
        placed, x, y = [], 0, 0
        for number, panel in enumerate(self.panels, start=1):
            if x + panel.width > _WIDTH:
                x, y = 0, y + _HEIGHT
            place = {"h": _HEIGHT, "w": panel.width, "x": x, "y": y}
            placed.append(_grafana(number, panel, place))
            x += panel.width
        return placed


_VARIABLE: Final = {
    "name": "source",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
}
_ALERTS: Final = {
    "name": "Alerts",
    "enable": True,
    "datasource": _SOURCE,
    "expr": 'ALERTS{alertstate="firing"}',
    "titleFormat": "{{alertname}}",
    "iconColor": "red",
}


def _grafana(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.words,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 8}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def _rate(name: str, matching: str = "", by: str = "") -> str:
    summed = f"sum by ({by})" if by else "sum"
    return f"{summed} (rate({name}{{{matching}}}[{RATE}]))"


def _percentile(share: float, name: str, matching: str = "", by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, {_rate(f'{name}_bucket', matching, labels)})"


def _percentiles(name: str, matching: str = "") -> tuple[Query, ...]:
    return tuple(
        Query(_percentile(share, name, matching), f"p{share * 100:g}")
        for share in (0.5, 0.95, 0.99)
    )


def _share(of: str, matching: str, others: str = "") -> str:
    part = ",".join(filter(None, (matching, others)))
    # None of them yet is none.
    return f"({_rate(of, part)} or vector(0)) / {_rate(of, others)}"


OPERATIONAL: Final = Dashboard(
    "operational",
    "is it well?",
    (
        Panel(
            "Requests",
            "reqps",
            "Without probes, by class of status.",
            (Query(_rate(f"{_SECONDS}_count", _PROBES, "status"), "{{status}}"),),
        ),
        Panel(
            "Response time",
            "s",
            "Until all was sent. 95 % are to be within 100 ms.",
            _percentiles(_SECONDS, _PROBES),
        ),
        Panel(
            "Error rate",
            "percentunit",
            "Share answered with 5xx. One in ten thousand may be.",
            (Query(_share(f"{_SECONDS}_count", 'status="5xx"', _PROBES), "5xx"),),
        ),
        Panel(
            "Average response time by route",
            "s",
            "The five slowest.",
            (
                Query(
                    f"topk(5, {_rate(f'{_SECONDS}_sum', _PROBES, 'route')}"
                    f" / {_rate(f'{_SECONDS}_count', _PROBES, 'route')})",
                    "{{route}}",
                ),
            ),
        ),
        Panel(
            "Cache hit rate",
            "percentunit",
            "Share of reads that memory or Redis had, by kind. 85 % in all is the least.",
            (
                Query(
                    f"{_rate('comanda_cache_reads_total', _HITS, 'kind')}"
                    f" / {_rate('comanda_cache_reads_total', by='kind')}",
                    "{{kind}}",
                ),
            ),
        ),
        Panel(
            "Error budget spent",
            "none",
            "How many times as fast as 30 days allow, over an hour. At 14.4 somebody is woken.",
            (
                Query('slo:bad:ratio_rate1h{slo="Availability"} / 0.0001', "availability"),
                Query('slo:bad:ratio_rate1h{slo="Latency"} / 0.05', "latency"),
                Query('slo:bad:ratio_rate1h{slo="Pictures"} / 0.05', "pictures"),
                Query('slo:bad:ratio_rate1h{slo="Frames"} / 0.01', "frames"),
            ),
        ),
        Panel(
            "In flight",
            "short",
            "Requests that are being answered; at 500 a process more are turned away.",
            (Query("sum by (instance) (comanda_http_requests_in_flight)", "{{instance}}"),),
        ),
        Panel(
            "Limits",
            "reqps",
            "Requests by what the limits said, and who counted; `process` is without Redis.",
            (
                Query(
                    _rate("comanda_limit_decisions_total", by="policy, decision, by"),
                    "{{policy}} {{decision}} ({{by}})",
                ),
            ),
        ),
        Panel(
            "Parts that answer",
            "short",
            "1 is well, 0 is down, as the application sees it.",
            (Query("min by (dependency) (comanda_dependency_up)", "{{dependency}}"),),
        ),
    ),
)
DATABASE: Final = Dashboard(
    "database",
    "PostgreSQL",
    (
        Panel(
            "Statement time",
            "s",
            "Until all rows were there, as the application waits for them.",
            _percentiles("comanda_database_statement_seconds"),
        ),
        Panel(
            "Statements",
            "ops",
            "A second, reads and writes.",
            (Query(_rate("comanda_database_statement_seconds_count"), "statements"),),
        ),
        Panel(
            "Reads by node",
            "ops",
            "Who answers, and for what.",
            (Query(_rate("comanda_database_reads_total", by="node, role"), "{{node}} {{role}}"),),
        ),
        Panel(
            "Connections of the application",
            "short",
            "At work or idle, by node.",
            (Query("sum by (node, state) (comanda_database_connections)", "{{node}} {{state}}"),),
        ),
        Panel(
            "Connections of the server",
            "short",
            "Of everybody, by state, and how many there may be.",
            (
                Query("sum by (state) (pg_stat_activity_count)", "{{state}}"),
                Query("max(pg_settings_max_connections)", "most"),
            ),
        ),
        Panel(
            "Replication lag",
            "s",
            "Of each replica that answers, looked at four times a second. Beyond five seconds"
            " nobody reads from it.",
            (Query("max by (node) (comanda_database_replica_lag_seconds)", "{{node}}"),),
        ),
        Panel(
            "Replication lag in bytes",
            "bytes",
            "WAL that the primary has and the replica has not replayed.",
            (
                Query(
                    "max by (application_name) (pg_stat_replication_pg_wal_lsn_diff)",
                    "{{application_name}}",
                ),
            ),
        ),
        Panel(
            "Size",
            "bytes",
            "Of the database, with its indexes.",
            (Query("max(comanda_database_bytes)", "database"),),
        ),
        Panel(
            "Transactions",
            "ops",
            "Committed and undone, of everybody.",
            (
                Query(f"sum(rate(pg_stat_database_xact_commit[{RATE}]))", "committed"),
                Query(f"sum(rate(pg_stat_database_xact_rollback[{RATE}]))", "rolled back"),
            ),
        ),
        Panel(
            "Blocks from memory",
            "percentunit",
            "Share that was in shared_buffers.",
            (
                Query(
                    f"sum(rate(pg_stat_database_blks_hit[{RATE}])) / (sum(rate("
                    f"pg_stat_database_blks_hit[{RATE}])) + sum(rate(pg_stat_database_blks_read"
                    f"[{RATE}])))",
                    "hits",
                ),
            ),
        ),
        Panel(
            "WAL not yet archived",
            "s",
            "Since the last segment was. What is not archived cannot be recovered.",
            (Query("max(pg_stat_archiver_last_archive_age)", "age"),),
        ),
        Panel(
            "Outbox",
            "s",
            "How long the oldest event waits to be seen to.",
            (Query("max(comanda_outbox_oldest_seconds)", "oldest"),),
        ),
    ),
)
INFRASTRUCTURE: Final = Dashboard(
    "infrastructure",
    "machines, processes, Redis",
    (
        Panel(
            "Instances",
            "short",
            "Pods that answer Prometheus, and processes in them.",
            (
                Query('sum(up{job=~"(.+/)?comanda"})', "pods"),
                Query("sum(comanda_processes)", "processes"),
            ),
        ),
        Panel(
            "CPU",
            "short",
            "Processors that are busy, by what they do.",
            (Query(_rate("comanda_process_cpu_seconds_total", by="part"), "{{part}}"),),
        ),
        Panel(
            "Memory",
            "bytes",
            "Resident, shared pages counted in each process.",
            (Query("sum by (part) (comanda_process_memory_bytes)", "{{part}}"),),
        ),
        Panel(
            "Bandwidth",
            "Bps",
            "Bytes of answers a second.",
            (
                Query(_rate("comanda_http_response_bytes_total", _PICTURES), "pictures"),
                Query(
                    _rate("comanda_http_response_bytes_total", 'route!~"/(products|v)/.+"'),
                    "all else",
                ),
            ),
        ),
        Panel(
            "Event loop",
            "s",
            "The longest that a loop came late.",
            (Query("max by (instance) (comanda_event_loop_lag_seconds)", "{{instance}}"),),
        ),
        Panel(
            "Processes started",
            "short",
            "More than at the beginning: some died, and were replaced.",
            (Query("sum by (instance) (comanda_process_starts_total)", "{{instance}}"),),
        ),
        Panel(
            "Redis memory",
            "bytes",
            "Used, of all masters, and the most they may use (0: no bound).",
            (
                Query("max(comanda_redis_memory_bytes)", "used"),
                Query("sum(redis_memory_max_bytes)", "most"),
            ),
        ),
        Panel(
            "Redis commands",
            "ops",
            "A second, of each node.",
            (
                Query(
                    f"sum by (instance) (rate(redis_commands_processed_total[{RATE}]))",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Redis evictions",
            "ops",
            "Keys that went for want of memory.",
            (Query(f"sum(rate(redis_evicted_keys_total[{RATE}]))", "evicted"),),
        ),
        Panel(
            "Disk left",
            "percentunit",
            "Of each file system; below a tenth somebody is woken.",
            (
                Query(
                    'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'
                    " / node_filesystem_size_bytes",
                    "{{instance}} {{mountpoint}}",
                ),
            ),
            width=12,
        ),
        Panel(
            "Machine",
            "percentunit",
            "Share of each machine's processors that is busy.",
            (
                Query(
                    f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{RATE}]))',
                    "{{instance}}",
                ),
            ),
            width=12,
        ),
    ),
)
PICTURES: Final = Dashboard(
    "pictures",
    "pictures at the origin",
    (
        Panel(
            "Requests",
            "reqps",
            "What the CDN, or who comes without one, asks for.",
            (Query(_rate(f"{_SECONDS}_count", _PICTURES, "status"), "{{status}}"),),
        ),
        Panel(
            "Response time",
            "s",
            "With the renderings. 95 % are to be within 250 ms.",
            _percentiles(_SECONDS, _PICTURES),
        ),
        Panel(
            "Renderings for each request",
            "none",
            "Those for new pictures among them; what is left came from memory or from S3.",
            (
                Query(
                    f"{_rate('comanda_picture_outcomes_total', _DONE)}"
                    f" / {_rate(f'{_SECONDS}_count', _PICTURES)}",
                    "rendered",
                ),
            ),
        ),
        Panel(
            "Jobs",
            "ops",
            "By what became of them.",
            (Query(_rate("comanda_picture_outcomes_total", by="outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Time of a job",
            "s",
            "On average: in the queue, and in a process.",
            (
                Query(
                    f"{_rate('comanda_picture_seconds_total', by='step')} / on ()"
                    f" group_left {_rate('comanda_picture_outcomes_total', _DONE)}",
                    "{{step}}",
                ),
            ),
        ),
        Panel(
            "Queue",
            "short",
            "Jobs that wait, and that run.",
            (Query("sum by (state) (comanda_picture_jobs)", "{{state}}"),),
        ),
        Panel(
            "Processes",
            "short",
            "That render, and that should.",
            (
                Query("sum(comanda_picture_processes)", "ready"),
                Query("sum(comanda_picture_processes_wanted)", "wanted"),
            ),
        ),
        Panel(
            "CPU of rendering",
            "short",
            "Processors that are busy with it.",
            (Query(_rate("comanda_process_cpu_seconds_total", 'part="pictures"'), "pictures"),),
        ),
        Panel(
            "Bytes sent",
            "Bps",
            "Of pictures.",
            (Query(_rate("comanda_http_response_bytes_total", _PICTURES, "route"), "{{route}}"),),
        ),
    ),
)
REALTIME: Final = Dashboard(
    "realtime",
    "orders live",
    (
        Panel(
            "Sockets",
            "short",
            "Sessions that are open.",
            (Query("sum by (instance) (comanda_socket_sessions)", "{{instance}}"),),
        ),
        Panel(
            "Commit to frame",
            "s",
            "Until a change was written to all who watch. 99 % are to be within half a second.",
            _percentiles("comanda_socket_lag_seconds"),
        ),
        Panel(
            "Messages",
            "ops",
            "Events, by each client that got one.",
            (Query(_rate("comanda_socket_deliveries_total"), "delivered"),),
        ),
        Panel(
            "Sessions that end",
            "ops",
            "By the reason; `too slow` is who did not read.",
            (Query(_rate("comanda_socket_closes_total", by="reason"), "{{reason}}"),),
        ),
        Panel(
            "Asked in vain",
            "ops",
            "What was refused, by the kind of problem.",
            (Query(_rate("comanda_socket_refusals_total", by="kind"), "{{kind}}"),),
        ),
        Panel(
            "Cut off and back",
            "ops",
            "Clients that went on where they were.",
            (Query(_rate("comanda_socket_recoveries_total"), "recovered"),),
        ),
        Panel(
            "Events of clients",
            "ops",
            "By name.",
            (Query(_rate("comanda_socket_events_total", by="event"), "{{event}}"),),
        ),
        Panel(
            "Outbox",
            "short",
            "Events that nobody was told of yet.",
            (Query("max(comanda_outbox_waiting)", "waiting"),),
        ),
    ),
)

DASHBOARDS: Final = (OPERATIONAL, DATABASE, INFRASTRUCTURE, PICTURES, REALTIME)
