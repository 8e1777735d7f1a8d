"""A real Prometheus with the rules that are committed, in which an hour takes a minute."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from infra.canary.servers import listening, watcher
from infra.local import debian
from infra.local.failure import StackError
from infra.local.ports import LOOPBACK, Ports
from infra.local.process import Command, clean_environment
from infra.local.redis_cluster import RedisCluster
from infra.observability import rules

SCALE: Final = 60
"""So many times shorter is all that a rule says of time. What a gauge tells stays as it is."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# Numbers that are seconds: a window that a rate is counted up for, how far is looked ahead.
_SECONDS: Final = re.compile(r"(?<=\* )\d+(?= >=)|(?<=\], )\d+(?=\))")
# Gauges of how long something waits already, with the bound.
_AGES: Final = ("OutboxStuck", "ArchiveBehind")
_AGE: Final = re.compile(r"(?<=> )\d{2,}")
_MACHINE: Final = "prometheus-node-exporter"
_REDIS: Final = "prometheus-redis-exporter"
_POSTGRES: Final = "prometheus-postgres-exporter"
_SCRAPE: Final = "500ms"
_STEP: Final = 0.25
_PATIENCE: Final = 30.0
# Always there, to show that alerts come through.
_HEARTBEAT: Final = "Watchdog"


def shortened(duration: str) -> str:
    """Of Prometheus's spelling, in milliseconds."""
    return f"{int(duration[:-1]) * _UNITS[duration[-1]] * 1000 // SCALE}ms"


def scaled(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule in which everything happens so much sooner."""
    expr = re.sub(r"\[(\d+[smhd])\]", lambda at: f"[{shortened(at[1])}]", rule["expr"])
    expr = re.sub(r"offset (\d+[smhd])\b", lambda at: f"offset {shortened(at[1])}", expr)
    expr = _SECONDS.sub(_divided, expr)
    if rule.get("alert") in _AGES:
        expr = _AGE.sub(_divided, expr)
    waits = {"for": shortened(rule["for"])} if "for" in rule else {}
    return {**rule, "expr": expr, **waits}


def groups() -> dict[str, Any]:
    """All rules that are committed, as scaled."""
    return {
        "groups": [
            {
                **group,
                "interval": shortened(group["interval"]),
                "rules": [scaled(rule) for rule in group["rules"]],
            }
            for group in rules.groups()["groups"]
        ]
    }


class Alerts:
    """What Prometheus has told, of the application at one port, its database, its Redis, and this
    machine."""

    def __init__(
        self, home: Path, application: int, redis: RedisCluster, database_url: str
    ) -> None:
        exporters = _MACHINE, _REDIS, _POSTGRES
        programs = [watcher(), *(debian.program(each, each) for each in exporters)]
        if None in programs:
            raise StackError(
                "There is no Prometheus, and no apt-get that fetches it.",
                f"Install prometheus, {', '.join(exporters)}.",
            )
        self._prometheus, self._of_machine, self._of_redis, self._of_postgres = map(str, programs)
        self._home = home
        home.mkdir()
        ports = Ports(home / "ports.json")
        self._port, self._machine = ports.take("prometheus"), ports.take("machine")
        self._redis, self._postgres = ports.take("redis"), ports.take("postgres")
        self._password = redis.password
        self._database_url = database_url
        jobs = [_job("comanda", application), _job("node", self._machine)]
        jobs.append(_job("postgres", self._postgres))
        jobs.append(self._each_of(redis))
        # JSON is YAML.
        (home / "rules.yml").write_text(json.dumps(groups()))
        (home / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {
                        "scrape_interval": _SCRAPE,
                        "scrape_timeout": _SCRAPE,
                        "evaluation_interval": _SCRAPE,
                    },
                    "rule_files": ["rules.yml"],
                    "scrape_configs": jobs,
                }
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """It scrapes meanwhile."""
        machine = [
            self._of_machine,
            f"--web.listen-address={LOOPBACK}:{self._machine}",
            "--collector.disable-defaults",
            "--collector.filesystem",
        ]
        redis = [self._of_redis, f"-web.listen-address={LOOPBACK}:{self._redis}"]
        postgres = [self._of_postgres, f"--web.listen-address={LOOPBACK}:{self._postgres}"]
        given = {"DATA_SOURCE_NAME": f"{self._database_url}?sslmode=disable"}
        prometheus = [
            self._prometheus,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={LOOPBACK}:{self._port}",
        ]
        with (
            listening(self._command(machine, "machine.log"), self._machine),
            listening(
                self._command(redis, "redis.log", REDIS_PASSWORD=self._password), self._redis
            ),
            listening(self._command(postgres, "postgres.log", **given), self._postgres),
            listening(self._command(prometheus, "prometheus.log"), self._port),
        ):
            self._until_heard()
            yield

    def _until_heard(self) -> None:
        """Alerts come through. Raises StackError."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            now = time.time()
            with suppress(OSError):
                if any(each["metric"]["alertname"] == _HEARTBEAT for each in self._asked(now, now)):
                    return
            time.sleep(_STEP)
        raise StackError(f"{_HEARTBEAT} does not fire.", f"Look at {self._home}/prometheus.log.")

    def fired(self, since: float, until: float) -> dict[str, float]:
        """Alerts that began to fire between two moments, and when the first of that name did; all
        in seconds since 1970. Raises OSError."""
        first: dict[str, float] = {}
        for series in self._asked(since, until):
            name = series["metric"]["alertname"]
            for at in beginnings([float(at) for at, _ in series["values"]], since):
                first[name] = min(at, first.get(name, at))
        return {name: at for name, at in first.items() if name != _HEARTBEAT}

    def firing(self, at: float) -> set[str]:
        """What fires at a moment. Raises OSError."""
        return {each["metric"]["alertname"] for each in self._asked(at, at)} - {_HEARTBEAT}

    def _asked(self, since: float, until: float) -> list[dict[str, Any]]:
        url = f"http://{LOOPBACK}:{self._port}/api/v1/query_range"
        query = {"query": 'ALERTS{alertstate="firing"}', "step": str(_STEP)}
        when = {"start": f"{since:.3f}", "end": f"{until:.3f}"}
        try:
            answer = httpx.get(url, params={**query, **when}, timeout=30, trust_env=False)
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise OSError(f"Prometheus: {error!r}") from error
        return found

    def _each_of(self, redis: RedisCluster) -> dict[str, Any]:
        """Each of its nodes, through the one exporter."""
        labels = ("__address__", "__param_target"), ("__param_target", "instance")
        return {
            **_job("redis", *redis.ports),
            "metrics_path": "/scrape",
            "relabel_configs": [
                *({"source_labels": [there], "target_label": here} for there, here in labels),
                {"target_label": "__address__", "replacement": f"{LOOPBACK}:{self._redis}"},
            ],
        }

    def _command(self, argv: list[str], log: str, **environment: str) -> Command:
        given = clean_environment(**environment)
        return Command(argv, given, self._home / log, None, self._home)


def beginnings(moments: Sequence[float], since: float) -> list[float]:
    """When something began, of the moments at which it was; what was at the first did not begin."""
    before = [since, *moments]
    return [at for at, last in zip(moments, before, strict=False) if at - last > 1.5 * _STEP]


def _job(name: str, *ports: int) -> dict[str, Any]:
    targets = [f"{LOOPBACK}:{port}" for port in ports]
    return {"job_name": name, "static_configs": [{"targets": targets}]}


def _divided(number: re.Match[str]) -> str:
    return f"{int(number[0]) / SCALE:g}"
