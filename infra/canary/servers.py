"""HAProxy with weights in the ALB's place, and Prometheus, as Debian has them."""

import asyncio
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from infra.local import debian
from infra.local.failure import server_failed
from infra.local.ports import LOOPBACK, Ports, is_free
from infra.local.process import Child, Command, clean_environment

BALANCER: Final = ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")
WATCHER: Final = ("prometheus",)
_SCRAPE: Final = "250ms"
_CONFIGURATION: Final = """
global
  stats socket unix@weights.sock mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend visitors
  bind {host}:{port}
  default_backend versions
backend versions
  balance roundrobin
  server stable {host}:{stable} weight 100
  server canary {host}:{canary} weight 0
"""


class Balancer:
    """Visitors come to its port, and are shared by weight among two versions."""

    def __init__(self, home: Path, program: Path, ports: Ports, stable: int, canary: int) -> None:
        self._home = home
        self._program = program
        self.port = ports.take("balancer")
        (home / "haproxy.cfg").write_text(
            _CONFIGURATION.format(host=LOOPBACK, port=self.port, stable=stable, canary=canary)
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """It serves meanwhile."""
        libraries = [str(each) for each in self._program.parents[1].glob("lib/*-linux-gnu")]
        command = [str(self._program), "-db", "-f", "haproxy.cfg"]
        environment = clean_environment(LD_LIBRARY_PATH=os.pathsep.join(libraries))
        log = self._home / "haproxy.log"
        with listening(Command(command, environment, log, None, self._home), self.port):
            yield

    async def weigh(self, weight: int) -> None:
        """Give the canary so many hundredths."""
        for name, share in (("canary", weight), ("stable", 100 - weight)):
            reader, writer = await asyncio.open_unix_connection(str(self._home / "weights.sock"))
            writer.write(f"set weight versions/{name} {share}\n".encode())
            answer = (await reader.read()).strip()
            writer.close()
            if answer:
                raise OSError(answer.decode())


class Watcher:
    """A Prometheus that scrapes each version under its name."""

    def __init__(
        self, home: Path, program: Path, ports: Ports, versions: Mapping[str, int]
    ) -> None:
        self._home = home
        self._program = program
        self._port = ports.take("prometheus")
        jobs = [
            {
                "targets": [f"{LOOPBACK}:{port}"],
                "labels": {"rollouts_pod_template_hash": version},
            }
            for version, port in versions.items()
        ]
        # JSON is YAML.
        (home / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": _SCRAPE, "scrape_timeout": _SCRAPE},
                    "scrape_configs": [{"job_name": "comanda", "static_configs": jobs}],
                }
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """It scrapes meanwhile."""
        command = [
            str(self._program),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={LOOPBACK}:{self._port}",
        ]
        log = self._home / "prometheus.log"
        with listening(Command(command, clean_environment(), log, None, self._home), self._port):
            yield

    async def ask(self, query: str) -> list[float]:
        """The values of an instant query. Raises OSError."""
        url = f"http://{LOOPBACK}:{self._port}/api/v1/query"
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get(f"{url}?{urllib.parse.urlencode({'query': query})}")
            found = answer.json()
            if found["status"] != "success":
                raise OSError(found["error"])
            return [float(each["value"][1]) for each in found["data"]["result"]]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise OSError(f"Prometheus: {error!r}") from error


def balancer() -> Path | None:
    """HAProxy, if it can be had."""
    return debian.program(*BALANCER[:1], *BALANCER)


def watcher() -> Path | None:
    """Prometheus, if it can be had."""
    return debian.program(*WATCHER, *WATCHER)


@contextmanager
def listening(command: Command, port: int) -> Iterator[None]:
    """A server, from when it listens. Raises StackError."""
    name = Path(command.argv[0]).name
    child = Child(name, command)
    try:
        while is_free(port):
            if child.exit_code() is not None:
                raise server_failed(f"{name} ended", command.log)
            child.wait(0.05)
        yield
    finally:
        child.end(10)
