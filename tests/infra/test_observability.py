"""What is watched is what is counted, and whoever should hear of a fault does."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bff.operations.figures import BUCKETS
from bff.realtime.engine import Limits
from bff.realtime.figures import LAGS
from infra.observability import dashboards, rules
from infra.observability.__main__ import GENERATED, generated
from infra.observability.dashboards import DASHBOARDS
from tests.infra.observability import counted, names, run, tool

HERE = GENERATED.parent
DOCS = Path(__file__).parents[2] / "docs"
# Of other exporters; that they have them is shown by `test_every_panel_shows_something`.
OTHERS = {
    "up",
    "pg_stat_activity_count",
    "pg_settings_max_connections",
    "pg_stat_archiver_archived_count",
    "pg_stat_archiver_failed_count",
    "pg_stat_archiver_last_archive_age",
    "pg_stat_replication_pg_wal_lsn_diff",
    "pg_stat_database_xact_commit",
    "pg_stat_database_xact_rollback",
    "pg_stat_database_blks_hit",
    "pg_stat_database_blks_read",
    "redis_up",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "redis_commands_processed_total",
    "redis_evicted_keys_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_cpu_seconds_total",
}
# Of kube-state-metrics, which has nothing to tell without a cluster.
OF_KUBERNETES = {
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
}


def every_rule() -> list[dict[str, Any]]:
    return [rule for group in rules.groups()["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    return [
        query.expr.replace(dashboards.RATE, "5m")
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
    ]


def test_what_is_committed_is_what_is_generated() -> None:
    """`make observability` makes it so."""
    made = generated()
    assert {str(each.relative_to(GENERATED)) for each in GENERATED.rglob("*.*")} == set(made)
    for name, text in made.items():
        assert (GENERATED / name).read_text("utf-8") == text, name


def test_nothing_is_asked_for_that_nobody_counts() -> None:
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    asked = names([*(rule["expr"] for rule in every_rule()), *queries()])
    assert asked - counted() - recorded == OTHERS | OF_KUBERNETES
    # The SLOs are asked of buckets that there are.
    for bound in (0.1, 0.25):
        assert bound in BUCKETS
    assert 0.5 in LAGS


def test_every_alert_says_what_to_do_and_is_told_to_somebody() -> None:
    told = (DOCS / "runbooks.md").read_text("utf-8")
    promised = (DOCS / "slo.md").read_text("utf-8")
    sections = {line.removeprefix("## ") for line in told.splitlines() if line.startswith("## ")}
    alerts = [rule for rule in every_rule() if "alert" in rule]
    assert {rule["alert"] for rule in alerts} == sections
    for rule in alerts:
        assert rule["labels"]["severity"] in ("page", "ticket", "heartbeat")
        assert rule["annotations"]["runbook_url"].endswith(f"#{rule['alert'].lower()}")
    for each in rules.objectives():
        assert each.words in promised
        assert f"{each.target * 100:g} %" in promised


def test_what_is_not_told_for_another_is_an_alert_as_that_is() -> None:
    routes = yaml.safe_load((HERE / "alertmanager.yaml").read_text("utf-8"))
    matchers = [
        matcher
        for rule in routes["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = {
        name
        for matcher in matchers
        if matcher.startswith("alertname")
        for name in matcher.split('"')[1].split("|")
    }
    assert named
    assert named <= {rule["alert"] for rule in every_rule() if "alert" in rule}


def test_a_budget_is_that_of_its_objective_and_its_rules_run_in_order() -> None:
    for each in rules.objectives():
        (group,) = (g for g in rules.groups()["groups"] if g["name"] == f"slo-{each.name.lower()}")
        recorded = [rule["record"] for rule in group["rules"] if "record" in rule]
        for place, rule in enumerate(group["rules"]):
            if "alert" in rule:
                # After all that it asks for, and in the same group.
                assert place >= len(recorded)
                assert f"* {each.budget:g} " in rule["expr"]
                assert names([rule["expr"]]) - counted() <= set(recorded)


def test_the_bound_of_sockets_is_the_one_that_is_kept() -> None:
    (full,) = (each for each in rules.alerts() if each.name == "SocketsFull")
    assert f"({Limits().sessions} * comanda_processes)" in full.expr


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.uid)
def test_a_dashboard_can_be_read(dashboard: dashboards.Dashboard) -> None:
    made = json.loads((GENERATED / "dashboards" / f"{dashboard.uid}.json").read_text())
    assert made["templating"]["list"][0]["type"] == "datasource"
    taken: set[tuple[int, int]] = set()
    titles = [panel["title"] for panel in made["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["legendFormat"]
            assert target["datasource"]["uid"] == "${source}"
            # A rate over a fixed time is wrong at every other width.
            assert "rate(" not in target["expr"] or dashboards.RATE in target["expr"]


# ---- with the tools themselves ------------------------------------------------------------------

SECONDS = "comanda_http_request_duration_seconds"


def at(name: str, values: str, **labels: str) -> dict[str, str]:
    """A series of promtool's, a value a minute."""
    matching = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{matching}}}", "values": values}


# By alert: what makes it fire and when it has; and what does not make it fire. A value a minute.
Case = tuple[list[dict[str, str]], str, list[dict[str, str]]]
OF_OBJECTIVES: dict[str, Case] = {
    "AvailabilityBurn": (
        [
            at(f"{SECONDS}_count", "0+600x180", status="2xx", route="/api/home"),
            at(f"{SECONDS}_count", "0x60 0+60x120", status="5xx", route="/api/home"),
        ],
        "70m",
        # A fault in ten thousand is what is promised; and one at night is nobody's sleep.
        [
            at(f"{SECONDS}_count", "0+60000x180", status="2xx", route="/api/home"),
            at(f"{SECONDS}_count", "0+6x180", status="5xx", route="/api/home"),
        ],
    ),
    "LatencyBurn": (
        [
            at(f"{SECONDS}_count", "0+600x180", route="/api/home"),
            at(f"{SECONDS}_bucket", "0+60x180", route="/api/home", le="0.1"),
        ],
        "70m",
        # A page of slow pictures, and a bit slow.
        [
            at(f"{SECONDS}_count", "0+600x180", route="/products/{product_id}"),
            at(f"{SECONDS}_bucket", "0+6x180", route="/products/{product_id}", le="0.1"),
            at(f"{SECONDS}_count", "0+600x180", route="/api/home"),
            at(f"{SECONDS}_bucket", "0+575x180", route="/api/home", le="0.1"),
        ],
    ),
    "PicturesBurn": (
        [
            at(f"{SECONDS}_count", "0+600x180", route="/v/{path}"),
            at(f"{SECONDS}_bucket", "0+60x180", route="/v/{path}", le="0.25"),
        ],
        "70m",
        [
            at(f"{SECONDS}_count", "0+600x180", route="/api/home"),
            at(f"{SECONDS}_bucket", "0+6x180", route="/api/home", le="0.25"),
        ],
    ),
    "FramesBurn": (
        [
            at("comanda_socket_lag_seconds_count", "0+600x180"),
            at("comanda_socket_lag_seconds_bucket", "0+300x180", le="0.5"),
        ],
        "70m",
        [
            at("comanda_socket_lag_seconds_count", "0+600x180"),
            at("comanda_socket_lag_seconds_bucket", "0+599x180", le="0.5"),
        ],
    ),
}
IN = {"instance": "a:8000", "job": "comanda"}


def dependency(name: str) -> Case:
    series = "comanda_dependency_up"
    return (
        [at(series, "1x10 0x20", dependency=name)],
        "20m",
        [at(series, "1x10 0 1x20", dependency=name)],
    )


OF_PARTS: dict[str, Case] = {
    "ApplicationDown": (
        [at("up", "1x5 0x20", **IN), at("up", "1x30", job="redis")],
        "10m",
        # As the operator names it; and one of two is enough.
        [at("up", "1x30", job="campus/comanda", instance="a"), at("up", "0x30", **IN)],
    ),
    "InstanceDown": ([at("up", "1x5 0x20", **IN)], "15m", [at("up", "1x5 0 0 1x20", **IN)]),
    "ProcessLost": (
        [
            at("comanda_process_starts_total", "2x20 3x20", **IN),
            at("comanda_processes", "2x40", **IN),
        ],
        "25m",
        # The second begins a moment after the first.
        [
            at("comanda_process_starts_total", "1 2x40", **IN),
            at("comanda_processes", "1 2x40", **IN),
        ],
    ),
    "LoopBlocked": (
        [at("comanda_event_loop_lag_seconds", "0.7x20", **IN)],
        "10m",
        [at("comanda_event_loop_lag_seconds", "0.7 0.01x20", **IN)],
    ),
    "RequestsRefused": (
        [at("comanda_refused_requests_total", "0+120x20", reason="overloaded")],
        "10m",
        [at("comanda_refused_requests_total", "0+120x20", reason="robot")],
    ),
    "Watchdog": ([], "1m", []),
    "PrimaryDown": dependency("primary"),
    "ReplicaDown": dependency("replica-2"),
    "RedisDown": dependency("redis"),
    "ObjectStoreDown": dependency("object-store"),
    "ReplicaLag": (
        [at("comanda_database_replica_lag_seconds", "9x20", node="replica-1")],
        "10m",
        [at("comanda_database_replica_lag_seconds", "9 1x20", node="replica-1")],
    ),
    "StatementsSlow": (
        [
            at("comanda_database_statement_seconds_bucket", "0+50x30", le="0.1"),
            at("comanda_database_statement_seconds_bucket", "0+60x30", le="0.25"),
            at("comanda_database_statement_seconds_bucket", "0+60x30", le="+Inf"),
        ],
        "20m",
        [
            at("comanda_database_statement_seconds_bucket", "0+58x30", le="0.1"),
            at("comanda_database_statement_seconds_bucket", "0+60x30", le="0.25"),
            at("comanda_database_statement_seconds_bucket", "0+60x30", le="+Inf"),
        ],
    ),
    "ConnectionsExhausted": (
        [
            at("pg_stat_activity_count", "60x20", instance="p", state="active"),
            at("pg_stat_activity_count", "30x20", instance="p", state="idle"),
            at("pg_settings_max_connections", "100x20", instance="p"),
        ],
        "10m",
        [
            at("pg_stat_activity_count", "80x20", instance="p", state="idle"),
            at("pg_settings_max_connections", "100x20", instance="p"),
        ],
    ),
    "ArchiveBehind": (
        [at("pg_stat_archiver_last_archive_age", "0+60x20")],
        "15m",
        # Who has tried in vain meanwhile has come through since.
        [
            at("pg_stat_archiver_last_archive_age", "60x20"),
            at("pg_stat_archiver_failed_count", "0+1x20"),
            at("pg_stat_archiver_archived_count", "0+1x20"),
        ],
    ),
    "DrillOverdue": (
        # At the beginning of time, and seventeen days before.
        [at("kube_cronjob_status_last_successful_time", "-1468800x90", cronjob="comanda-drill")],
        "70m",
        # It was made long ago, and one has succeeded since; another's are none of ours.
        [
            at("kube_cronjob_created", "-9999999x90", cronjob="comanda-drill"),
            at("kube_cronjob_status_last_successful_time", "-9x90", cronjob="comanda-drill"),
            at("kube_cronjob_created", "-9999999x90", cronjob="comanda-ledger"),
        ],
    ),
    "OutboxStuck": (
        [at("comanda_outbox_oldest_seconds", "0+60x20")],
        "15m",
        [at("comanda_outbox_oldest_seconds", "0 30 0 60x20")],
    ),
    "RedisNodeDown": (
        [at("redis_up", "1x5 0x20", instance="node-2")],
        "15m",
        # It was started again.
        [at("redis_up", "1x5 0 0 1x20", instance="node-2")],
    ),
    "RedisFull": (
        [at("redis_memory_used_bytes", "95x30"), at("redis_memory_max_bytes", "100x30")],
        "20m",
        # Without a bound there is none to come near to.
        [at("redis_memory_used_bytes", "95x30"), at("redis_memory_max_bytes", "0x30")],
    ),
    "CacheMisses": (
        [
            at("comanda_cache_reads_total", "0+800x60", layer="memory"),
            at("comanda_cache_reads_total", "0+400x60", layer="database"),
        ],
        "45m",
        # The same share of a handful.
        [
            at("comanda_cache_reads_total", "0+8x60", layer="memory"),
            at("comanda_cache_reads_total", "0+4x60", layer="database"),
        ],
    ),
    "CacheStale": (
        [at("comanda_cache_stale_served_total", "0x10 1x20", kind="menu")],
        "15m",
        [at("comanda_cache_stale_served_total", "0x30", kind="menu")],
    ),
    "RenderersMissing": (
        [at("comanda_picture_processes", "1x20"), at("comanda_picture_processes_wanted", "2x20")],
        "10m",
        # One is replaced.
        [
            at("comanda_picture_processes", "1 2x20"),
            at("comanda_picture_processes_wanted", "2x20"),
        ],
    ),
    "RenderersCrash": (
        [at("comanda_picture_outcomes_total", "0+1x20", outcome="crashed")],
        "15m",
        # The pictures were at fault.
        [at("comanda_picture_outcomes_total", "0+9x20", outcome="refused")],
    ),
    "PictureQueueFull": (
        [at("comanda_picture_outcomes_total", "0+90x20", outcome="overloaded")],
        "15m",
        [at("comanda_picture_outcomes_total", "0+90x20", outcome="done")],
    ),
    "SocketsFull": (
        [at("comanda_socket_sessions", "36000x20"), at("comanda_processes", "2x20")],
        "10m",
        [at("comanda_socket_sessions", "19000x20"), at("comanda_processes", "2x20")],
    ),
    "SocketsSlow": (
        [at("comanda_socket_closes_total", "0+90x20", reason="too slow")],
        "15m",
        [at("comanda_socket_closes_total", "0+90x20", reason="transport close")],
    ),
    "DiskFull": (
        [
            at("node_filesystem_avail_bytes", "9x20", fstype="ext4"),
            at("node_filesystem_size_bytes", "100x20", fstype="ext4"),
        ],
        "10m",
        [
            at("node_filesystem_avail_bytes", "9x20", fstype="tmpfs"),
            at("node_filesystem_size_bytes", "100x20", fstype="tmpfs"),
        ],
    ),
    "DiskFills": (
        [
            at("node_filesystem_avail_bytes", "40-0.1x400", fstype="ext4"),
            at("node_filesystem_size_bytes", "100x400", fstype="ext4"),
        ],
        "200m",
        [
            at("node_filesystem_avail_bytes", "90-0.1x400", fstype="ext4"),
            at("node_filesystem_size_bytes", "100x400", fstype="ext4"),
        ],
    ),
}
ALERTS = OF_OBJECTIVES | OF_PARTS
NO_DRILL_AT_ALL = [at("kube_cronjob_created", "-9x90", cronjob="comanda-ledger")]
NOTHING_ARCHIVED_EVER = [
    at("pg_stat_archiver_last_archive_age", " ".join(["NaN"] * 20)),
    at("pg_stat_archiver_failed_count", "0 1+1x18"),
    at("pg_stat_archiver_archived_count", "0x20"),
]
# Requests of six an hour, one of which failed.
A_FAULT_AT_NIGHT = [
    at(f"{SECONDS}_count", "0+1x180", status="2xx", route="/api/home"),
    at(f"{SECONDS}_count", "0x60 1x120", status="5xx", route="/api/home"),
]


def fires(
    alert: str, series: list[dict[str, str]], when: str, *, wanted: bool = True
) -> dict[str, Any]:
    """A test of promtool's: whether an alert fires at a moment."""
    expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)'
    return {
        "name": f"{alert}: {wanted}",
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": when,
                "exp_samples": [{"labels": "{}", "value": int(wanted)}],
            }
        ],
    }


@pytest.mark.infra
def test_every_alert_fires_when_it_should_and_not_when_it_should_not(tmp_path: Path) -> None:
    assert set(ALERTS) == {rule["alert"] for rule in every_rule() if "alert" in rule}
    tests = [fires(alert, series, when) for alert, (series, when, _) in ALERTS.items()]
    tests += [
        fires(alert, quiet, when, wanted=False)
        for alert, (_, when, quiet) in ALERTS.items()
        if alert != "Watchdog"
    ]
    tests.append(fires("AvailabilityBurn", A_FAULT_AT_NIGHT, "70m", wanted=False))
    tests.append(fires("DrillOverdue", NO_DRILL_AT_ALL, "70m"))
    tests.append(fires("ArchiveBehind", NOTHING_ARCHIVED_EVER, "15m"))
    tests.append(fires("ArchiveBehind", NOTHING_ARCHIVED_EVER, "9m", wanted=False))
    file = tmp_path / "alerts.test.yaml"
    # JSON is YAML, too.
    file.write_text(
        json.dumps({"rule_files": [str(GENERATED / "rules.yaml")], "tests": tests}), "utf-8"
    )
    run(tool("promtool", "prometheus"), "test", "rules", file)


@pytest.mark.infra
def test_prometheus_and_alertmanager_take_what_they_are_given(tmp_path: Path) -> None:
    promtool, amtool = tool("promtool", "prometheus"), tool("amtool", "prometheus-alertmanager")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", GENERATED / "rules.yaml")
    run(promtool, "check", "config", HERE / "prometheus.yaml")
    run(amtool, "check-config", HERE / "alertmanager.yaml")
    recorded = [{"record": f"panel{n}", "expr": expr} for n, expr in enumerate(queries())]
    asked = tmp_path / "panels.yaml"
    asked.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}), "utf-8")
    run(promtool, "check", "rules", "--lint=none", asked)


@pytest.mark.infra
def test_each_alert_comes_to_whom_its_severity_says() -> None:
    amtool = tool("amtool", "prometheus-alertmanager")
    config = f"--config.file={HERE / 'alertmanager.yaml'}"
    for rule in every_rule():
        if "alert" in rule:
            labels = rule["labels"] | {"alertname": rule["alert"]}
            given = [f"{name}={value}" for name, value in labels.items()]
            told = run(amtool, "config", "routes", "test", config, *given)
            assert told.strip() == rule["labels"]["severity"], rule["alert"]
