"""nginx set up as CloudFront is: two edges, a shield, and one origin after the other."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cdn.edge.build import FUNCTION
from cdn.freshness import STATIC
from infra.local import debian
from infra.local.failure import StackError
from infra.local.ports import LOOPBACK, Ports
from infra.local.private_file import write_private
from infra.local.process import Command, clean_environment
from infra.local.supervisor import Server

EVENT: Final = Path(__file__).with_name("event.js")
VIEWER: Final = Path(__file__).with_name("viewer.js")
PACKAGES: Final = ("nginx", "libnginx-mod-http-js")
EDGES: Final = ("edge-1", "edge-2")
"""Two of CloudFront's hundreds of locations; each has a cache of its own."""
DISTRIBUTION: Final = "LOCAL"
"""What COMANDA_CLOUDFRONT_DISTRIBUTION is called here."""
ORIGIN_HEADER: Final = "X-Origin-Verify"
"""By whose secret the balancer here knows the CDN, in place of a VPC origin (decisions/0016)."""
FAILOVER: Final = (403, 404, 500, 502, 503, 504)
"""Answers of the bucket after which the application is asked. 403 is what S3 says of an object that
is not there to whom may not list the bucket."""

_MODULES: Final = ("usr/lib/nginx/modules", "usr/lib64/nginx/modules", "usr/share/nginx/modules")
_MODULE: Final = "ngx_http_js_module.so"
# What one looks in first is emptied first: what another one asks for anew is then new.
_CACHES: Final = ("shield", *EDGES)
_CACHE_MEGABYTES: Final = 256
_PROBE_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Origins:
    """What the CDN is set before: the application (host:port), and the bucket of variants."""

    application: str
    endpoint: str
    region: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Engine:
    """An nginx, and its module for JavaScript."""

    program: Path
    module: Path


def engine() -> Engine | None:
    """That of this machine, or of Debian's packages; None where neither can be had."""
    installed = shutil.which("nginx")
    if installed is not None and (module := _module(Path("/"))) is not None:
        return Engine(Path(installed), module)
    home = debian.unpacked(*PACKAGES)
    if home is None:
        return None
    program, module = debian.found(home, "nginx"), _module(home)
    return Engine(program, module) if program and module else None


def required_engine() -> Engine:
    """The same. Raises StackError that says how to come by it."""
    found = engine()
    if found is None:
        raise StackError(
            "There is no nginx with its module for JavaScript.",
            f"Install it: apt-get install {' '.join(PACKAGES)}",
        )
    return found


def _module(home: Path) -> Path | None:
    places = (home / directory / _MODULE for directory in _MODULES)
    return next((each for each in places if each.exists()), None)


class Edge(Server):
    """All of it in one nginx, under `directory`; edges and invalidations listen on loopback.

    `function` is the source of another edge function, to compare with.
    """

    role = "edge"
    title = "The edge"

    def __init__(
        self,
        directory: Path,
        log: Path | None,
        ports: Ports,
        origins: Origins,
        engine: Engine,
        function: str | None = None,
    ) -> None:
        self._directory = directory
        self._log = log
        self._engine = engine
        self._origins = origins
        self._function = function or FUNCTION.read_text("utf-8")
        self.origin_secrets = secrets.token_hex(32), secrets.token_hex(32)
        """The one that is sent, and one that is taken as well."""
        self._edges = [ports.take(name) for name in EDGES]
        self._invalidations = ports.take("invalidations")

    @property
    def urls(self) -> list[str]:
        """Of the edges."""
        return [f"http://{LOOPBACK}:{port}" for port in self._edges]

    @property
    def balancer(self) -> Path:
        """The socket of what stands before the application, and lets nobody in but the CDN."""
        return self._directory / "balancer.sock"

    def environment(self) -> dict[str, str]:
        """What the application is told, so that it purges here, by boto3 as ever."""
        return {
            "COMANDA_CLOUDFRONT_DISTRIBUTION": DISTRIBUTION,
            "COMANDA_TRUSTED_PROXIES": "127.0.0.0/8",
            "AWS_ENDPOINT_URL_CLOUDFRONT": f"http://{LOOPBACK}:{self._invalidations}",
            "AWS_DEFAULT_REGION": self._origins.region,
            "AWS_ACCESS_KEY_ID": self._origins.access_key,
            "AWS_SECRET_ACCESS_KEY": self._origins.secret_key,
        }

    def command(self) -> Command:
        home = self._directory
        # A CDN that begins is cold, and what it missed of purges is not there.
        shutil.rmtree(home / "cache", ignore_errors=True)
        for directory in ("temporary", *(f"cache/{name}" for name in _CACHES)):
            (home / directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in home.glob("*.sock"):
            left.unlink()
        write_private(home / "edge.js", self._script())
        write_private(home / "nginx.conf", self.configuration())
        return Command(
            # -e: or it would complain of a log of the system's that is not ours.
            [str(self._engine.program), "-p", str(home), "-c", "nginx.conf", "-e", "stderr"],
            clean_environment(),
            log=self._log,
            directory=home,
            endings=(signal.SIGTERM,),
        )

    def answers(self) -> bool:
        try:
            for port in (*self._edges, self._invalidations):
                socket.create_connection((LOOPBACK, port), _PROBE_SECONDS).close()
        except OSError:
            return False
        return True

    def _script(self) -> str:
        origins = self._origins
        settings = {
            "caches": _CACHES,
            "store": {
                "host": urlsplit(origins.endpoint).netloc,
                "region": origins.region,
                "bucket": origins.bucket,
                "accessKey": origins.access_key,
                "secretKey": origins.secret_key,
            },
        }
        return "\n".join(
            (
                f"const SETTINGS = {json.dumps(settings)};",
                self._function,
                EVENT.read_text("utf-8"),
                VIEWER.read_text("utf-8"),
            )
        )

    # --- the configuration -------------------------------------------------------------

    def configuration(self) -> str:
        """nginx.conf, of what CloudFront is told by infra/terraform and by the code itself."""
        parts = (_GENERAL, *self._upstreams(), *self._caches(), *self._edge_servers())
        http = "\n".join((*parts, *self._origin_servers(), self._invalidation_server()))
        # As root it would have its processes run as somebody who may not look in here.
        user = "user root;\n" if os.geteuid() == 0 else ""
        return (
            f'load_module "{self._engine.module}";\ndaemon off;\nworker_processes 2;\n{user}'
            f"pid nginx.pid;\nevents {{ worker_connections 4096; }}\nhttp {{\n{http}\n}}\n"
        )

    def _upstreams(self) -> Iterator[str]:
        places = {
            # By its directory, however long its name is.
            **{name: f"unix:{name}.sock" for name in ("shield", "group", "balancer")},
            "application": self._origins.application,
            "s3": urlsplit(self._origins.endpoint).netloc,
        }
        for name, place in places.items():
            yield f"upstream {name} {{ server {place} max_fails=0; keepalive 64; }}"

    def _caches(self) -> Iterator[str]:
        for name in _CACHES:
            yield (
                f"proxy_cache_path cache/{name} levels=1:2 keys_zone={name}:8m"
                f" max_size={_CACHE_MEGABYTES}m inactive=1d use_temp_path=off;"
            )

    def _edge_servers(self) -> Iterator[str]:
        # S3 keeps some of the headers only; these CloudFront's response headers policy adds.
        policy = "\n".join(
            f'proxy_hide_header {name};\nadd_header {name} "{value}" always;'
            for name, value in STATIC.items()
        )
        for name, port in zip(EDGES, self._edges, strict=True):
            yield _EDGE_SERVER.format(
                port=port,
                name=name,
                policy=policy,
                secret_header=ORIGIN_HEADER,
                secret=self.origin_secrets[0],
            )

    def _origin_servers(self) -> Iterator[str]:
        origins = self._origins
        yield _ORIGIN_SERVERS.format(
            application=origins.application,
            bucket=origins.bucket,
            store=urlsplit(origins.endpoint).netloc,
            failover=" ".join(map(str, FAILOVER)),
            secret_header=ORIGIN_HEADER,
            secret=self.origin_secrets[0],
            nothing=hashlib.sha256().hexdigest(),
            asked=f"$http_{ORIGIN_HEADER.lower().replace('-', '_')}",
            known="\n".join(f'"{secret}" 1;' for secret in self.origin_secrets),
        )

    def _invalidation_server(self) -> str:
        return (
            f"server {{ listen {LOOPBACK}:{self._invalidations};\n"
            "client_max_body_size 512k; client_body_buffer_size 512k;\n"
            f"location = /2020-05-31/distribution/{DISTRIBUTION}/invalidation "
            "{ js_content edge.invalidate; } }"
        )


_GENERAL: Final = """
js_path .;
js_import edge from edge.js;
js_set $canonical edge.canonical;
js_set $s3_date edge.date;
js_set $s3_authorization edge.authorization;
access_log off;
server_tokens off;
client_body_temp_path temporary/body;
proxy_temp_path temporary/proxy;
fastcgi_temp_path temporary/fastcgi;
uwsgi_temp_path temporary/uwsgi;
scgi_temp_path temporary/scgi;
map_hash_bucket_size 128;
map $http_upgrade $kept_as { default upgrade; "" ""; }
map $upstream_cache_status $x_cache {
    default "Miss from cloudfront";
    HIT "Hit from cloudfront";
    STALE "Hit from cloudfront";
    UPDATING "Hit from cloudfront";
    REVALIDATED "RefreshHit from cloudfront";
}
proxy_http_version 1.1;
# The key is the path, as the edge function made it: on nothing else may an answer depend. Nor does
# CloudFront look at Vary.
proxy_set_header Connection "";
proxy_set_header Accept "";
proxy_set_header Accept-Encoding "";
proxy_set_header Save-Data "";
proxy_set_header Cookie "";
proxy_ignore_headers Vary Set-Cookie X-Accel-Expires X-Accel-Redirect;
# Requests for the same thing wait for the first one.
proxy_cache_lock on;
proxy_cache_lock_timeout 60s;
proxy_cache_lock_age 60s;
proxy_cache_revalidate on;
proxy_cache_background_update on;
# nginx minds stale-if-error where nobody answers; CloudFront where a 5xx comes, too.
proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504;
"""

_EDGE_SERVER: Final = """
server {{
    listen 127.0.0.1:{port};
    location ~ ^/(products|v)/ {{
        if ($request_method !~ ^(GET|HEAD)$) {{ return 403; }}
        if ($canonical = "") {{ return 418; }}
        error_page 418 = @answered_here;
        proxy_cache {name};
        proxy_cache_key $canonical;
        proxy_pass http://shield$canonical;
        {policy}
        add_header X-Cache $x_cache always;
        add_header X-Amz-Cf-Pop {name} always;
    }}
    location @answered_here {{ js_content edge.answerHere; }}
    location / {{
        client_max_body_size 0;
        proxy_request_buffering off;
        proxy_read_timeout 60s;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header {secret_header} {secret};
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $kept_as;
        proxy_pass http://balancer;
        add_header X-Cache "Miss from cloudfront" always;
        add_header X-Amz-Cf-Pop {name} always;
    }}
}}"""

_ORIGIN_SERVERS: Final = """
server {{
    listen unix:shield.sock;
    location / {{
        proxy_cache shield;
        proxy_cache_key $request_uri;
        proxy_pass http://group$request_uri;
    }}
}}
server {{
    listen unix:group.sock;
    # What an origin lets slip must not be everybody's.
    proxy_hide_header Set-Cookie;
    location / {{
        proxy_set_header Connection "";
        proxy_set_header Host {store};
        proxy_set_header Authorization $s3_authorization;
        proxy_set_header X-Amz-Date $s3_date;
        proxy_set_header X-Amz-Content-Sha256 {nothing};
        proxy_connect_timeout 1s;
        proxy_read_timeout 5s;
        proxy_intercept_errors on;
        error_page {failover} = @application;
        proxy_pass http://s3/{bucket}$request_uri;
    }}
    location @application {{
        proxy_set_header Connection "";
        proxy_set_header Host {application};
        proxy_set_header {secret_header} {secret};
        proxy_connect_timeout 1s;
        proxy_read_timeout 30s;
        proxy_pass http://balancer$request_uri;
    }}
}}
map {asked} $is_the_cdn {{
    default 0;
    {known}
}}
server {{
    listen unix:balancer.sock;
    location / {{
        if ($is_the_cdn = 0) {{ return 403; }}
        client_max_body_size 0;
        proxy_request_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header {secret_header} "";
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $kept_as;
        proxy_pass http://application;
    }}
}}"""
