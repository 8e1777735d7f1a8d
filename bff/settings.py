"""Every knob of the application: its name, its meaning, its default and its bounds."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bff.edge.clients import Networks, ProxyHeader
from bff.operations.logs import LogFormat
from domain.database import DatabaseAddressError, dsn
from domain.redis import Nodes, RedisAddressError

PREFIX = "COMANDA_"
_DATABASE = f"{PREFIX}DATABASE_URL"

# Their values are separated by commas.
_LISTS = frozenset(
    {"replica_urls", "picture_keys", "hosts", "trusted_proxies", "cors_origins", "approved_bots"}
    | {"metrics_networks"}
)

# As msgspec says where something is wrong.
_FIELD = re.compile(r"\$\.([a-z0-9_]+)")

Url = Annotated[str, Meta(min_length=1, max_length=2048)]


class Sockets(StrEnum):
    """How WebSockets are carried (docs/realtime.md)."""

    OWN = "own"
    ASGI = "asgi"


class SettingsError(ValueError):
    """The environment does not describe a runnable application; the message says what to set."""


class Settings(Struct, frozen=True, kw_only=True):
    """The application's settings; a field `database_url` is `COMANDA_DATABASE_URL`."""

    database_url: Annotated[
        Url, Meta(description="PostgreSQL primary: postgresql://user:pw@host/db")
    ]
    replica_urls: Annotated[
        tuple[Url, ...],
        Meta(max_length=16, description="streaming replicas, separated by commas; may be empty"),
    ] = ()
    database_connections: Annotated[
        int, Meta(ge=1, le=1000, description="most connections to each node, for one process")
    ] = 100
    database_least_connections: Annotated[
        int, Meta(ge=0, le=1000, description="connections to each node that stay open when idle")
    ] = 10
    database_pgbouncer: Annotated[
        bool, Meta(description="true where PgBouncer pools transactions before the nodes")
    ] = False
    redis_url: Annotated[
        Url,
        Meta(
            description="Redis or Valkey: redis://:password@host:port/0, rediss:// for TLS; "
            "of a cluster several host:port with commas between"
        ),
    ]
    redis_cluster: Annotated[bool, Meta(description="true where Redis is a cluster")] = False
    s3_endpoint: Annotated[Url | None, Meta(description="S3 API; empty for AWS itself")] = None
    s3_region: Annotated[str, Meta(description="region of the buckets")] = "eu-south-2"
    s3_access_key: Annotated[
        str | None, Meta(description="access key; empty for boto3's own chain")
    ] = None
    s3_secret_key: Annotated[str | None, Meta(description="secret of the access key")] = None
    s3_originals: Annotated[str, Meta(description="bucket of uploaded originals")] = (
        "comanda-originals"
    )
    s3_variants: Annotated[str, Meta(description="bucket of rendered variants")] = (
        "comanda-variants"
    )
    picture_processes: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="processes that render pictures; empty for one a core"),
    ] = None
    picture_memory: Annotated[
        int, Meta(ge=0, description="bytes of variants kept in memory, for one process")
    ] = 64 * 1024 * 1024
    picture_keys: Annotated[
        tuple[Annotated[str, Meta(pattern="^[a-z0-9]{1,16}:([0-9a-f]{2}){32,}$")], ...],
        Meta(
            max_length=8,
            description="keys of signed picture URLs, name:hex, the first one signs; may be empty",
        ),
    ] = ()
    picture_placeholder: Annotated[
        str | None,
        Meta(description="file that is shown, with the 404, where a product has no picture"),
    ] = None
    cloudfront_distribution: Annotated[
        str | None, Meta(description="CloudFront distribution to purge; empty: purges are recorded")
    ] = None
    payment_decline_rate: Annotated[
        float, Meta(ge=0, le=1, description="share of top-ups that the simulated provider declines")
    ] = 0.05
    fcm_credentials: Annotated[
        str | None,
        Meta(description="key file of the service account that pushes; empty: pushes are recorded"),
    ] = None
    fcm_endpoint: Annotated[Url, Meta(description="Firebase Cloud Messaging, HTTP v1")] = (
        "https://fcm.googleapis.com"
    )
    hosts: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(\*\.)?[A-Za-z0-9.-]+$|^\[[0-9a-fA-F:]+\]$")], ...],
        Meta(
            max_length=64,
            description="names that are answered to, *.example for all below; empty: any",
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            max_length=256,
            description="networks of our own proxies, such as 10.0.0.0/8: only what they say of "
            "whom they ask for is believed; may be empty",
        ),
    ] = ()
    proxy_header: Annotated[
        ProxyHeader, Meta(description="where they say it: x-forwarded-for, or forwarded")
    ] = ProxyHeader.X_FORWARDED_FOR
    hsts_seconds: Annotated[
        int, Meta(ge=0, description="Strict-Transport-Security of answers over HTTPS; 0: none")
    ] = 31_536_000
    cors_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(\*|https?://[^/\s,]+)$")], ...],
        Meta(max_length=64, description="origins whose pages read the API; *: all; may be empty"),
    ] = ()
    approved_bots: Annotated[
        tuple[Annotated[str, Meta(min_length=3)], ...],
        Meta(max_length=64, description="robots that are served, by a part of their User-Agent"),
    ] = ("cubot",)
    limit_general: Annotated[
        int, Meta(ge=0, le=10**9, description="requests of a person in a minute; 0: no limit")
    ] = 100
    limit_anonymous: Annotated[
        int,
        Meta(
            ge=0,
            le=10**9,
            description="requests in a minute from one address without a token, which a whole "
            "campus may have; 0: no limit",
        ),
    ] = 3000
    limit_login: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="wrong passwords of an account from one address in 15 minutes, and four "
            "times that from all; 0: no limit",
        ),
    ] = 5
    limit_payment: Annotated[
        int, Meta(ge=0, le=1000, description="top-ups of a person in 15 minutes; 0: no limit")
    ] = 10
    most_in_flight: Annotated[
        int, Meta(ge=1, le=100_000, description="requests served at once, for one process")
    ] = 500
    log_format: Annotated[
        LogFormat, Meta(description="json, console, or auto: console where a person reads it")
    ] = LogFormat.AUTO
    access_log: Annotated[
        float,
        Meta(
            ge=0, le=1, description="share of requests that are logged beside faults and slow ones"
        ),
    ] = 1.0
    metrics_networks: Annotated[
        tuple[str, ...],
        Meta(max_length=64, description="networks that /metrics is for; others find nothing"),
    ] = ("127.0.0.0/8", "::1/128")
    metrics_directory: Annotated[
        str | None,
        Meta(description="where processes that share a port leave their figures (comanda serve)"),
    ] = None
    pods_host: Annotated[
        Url | None,
        Meta(
            description="name with the address of every pod (a headless service), by which they "
            "are counted; empty: nobody counts them"
        ),
    ] = None
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=300,
            description="for which a SIGTERM is told by /ready before anybody is turned away",
        ),
    ] = 0.0
    chores: Annotated[
        bool,
        Meta(
            description="true where the process also sees to what others have left in the outbox, "
            "sweeps, and reckons sales; one at least has to"
        ),
    ] = True
    sockets: Annotated[
        Sockets,
        Meta(description="how WebSockets are carried: taken from uvicorn (own), or by plain asgi"),
    ] = Sockets.OWN
    token_secret: Annotated[
        str, Meta(min_length=32, description="signs access tokens; at least 32 characters")
    ]


def described() -> list[tuple[str, str, str]]:
    """Each setting: its environment variable, what it means, and its default as text."""
    rows = []
    for each in msgspec.structs.fields(Settings):
        meta = next(m for m in each.type.__metadata__ if isinstance(m, Meta) and m.description)
        default = "required" if each.required else _shown(each.default)
        rows.append((PREFIX + each.name.upper(), meta.description or "", default))
    return rows


def _shown(default: object) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default or "")


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """The one setting of what only needs the database. Raises SettingsError."""
    url = environment.get(_DATABASE, "").strip()
    if not url:
        raise SettingsError(f"{_DATABASE} must be set (comanda settings)")
    _check_database(_DATABASE, url)
    return url


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `COMANDA_*` variables; an empty variable counts as not set.

    Raises SettingsError that names the variable.
    """
    given: dict[str, object] = {}
    for each in msgspec.structs.fields(Settings):
        text = environment.get(PREFIX + each.name.upper(), "").strip()
        if text:
            given[each.name] = text.split(",") if each.name in _LISTS else text
        elif each.required:
            raise SettingsError(f"{PREFIX}{each.name.upper()} must be set (comanda settings)")
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        named = _FIELD.sub(lambda found: PREFIX + found[1].upper(), str(error))
        raise SettingsError(f"a setting is wrong: {named}") from error
    _check_database(_DATABASE, settings.database_url)
    for name in ("trusted_proxies", "metrics_networks"):
        try:
            Networks(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name.upper()} is wrong: {error}") from error
    for url in settings.replica_urls:
        _check_database(f"{PREFIX}REPLICA_URLS", url)
    try:
        Nodes(settings.redis_url, is_cluster=settings.redis_cluster)
    except RedisAddressError as error:
        raise SettingsError(f"{PREFIX}REDIS_URL is wrong: {error}") from None
    return settings


def _check_database(variable: str, url: str) -> None:
    try:
        dsn(url)
    except DatabaseAddressError as error:
        # From nobody: the text of the URL holds a password.
        raise SettingsError(f"{variable} is wrong: {error}") from None
