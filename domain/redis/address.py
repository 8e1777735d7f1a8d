"""What a URL says of Redis: which nodes to begin with, and how each of them is reached."""

import re
from typing import Any, Final, NamedTuple

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# How long anybody waits, and what is tried again, is decided here and not in a URL.
_OPTIONS: Final = ("db", "client_name")
_DEFAULT_PORT: Final = 6379
_URL: Final = re.compile(
    r"(?P<scheme>rediss?)://(?P<access>(?:[^/?#]*@)?)(?P<hosts>[^/?#]*)(?P<rest>.*)"
)


class RedisAddressError(ValueError):
    """The URL does not say where Redis is; the message does not repeat it, for its password."""


class Place(NamedTuple):
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Address:
    """`redis://user:password@host:port/0`, or `rediss://` for TLS.

    Of a cluster several hosts may be named, with commas between; one that answers is enough. TLS is
    checked against the system's authorities, or `?ssl_ca_certs=file`; a client's certificate is
    `ssl_certfile` and `ssl_keyfile`. Raises RedisAddressError.
    """

    def __init__(self, url: str) -> None:
        found = _URL.fullmatch(url)
        if found is None:
            raise RedisAddressError("it begins with redis:// or rediss://")
        try:
            each: list[dict[str, Any]] = [
                dict(parse_url(f"{found['scheme']}://{found['access']}{host}{found['rest']}"))
                for host in found["hosts"].split(",")
            ]
        except ValueError:
            raise RedisAddressError(
                "it is not like redis://:password@host:6379/0, with special characters as %hh"
            ) from None
        self.seeds = [
            Place(one.pop("host", "localhost"), one.pop("port", _DEFAULT_PORT)) for one in each
        ]
        self._arguments: dict[str, Any] = each[0]
        self._class: type[Connection] = self._arguments.pop("connection_class", Connection)
        for name in self._arguments.keys() - {"username", "password"}:
            if name not in _OPTIONS and not (name.startswith("ssl_") and self.is_secure):
                raise RedisAddressError(f"{name} is no option of ours")

    @property
    def is_secure(self) -> bool:
        """Whether it is TLS."""
        return self._class is not Connection

    @property
    def database(self) -> int:
        """The number of the database. Publish and subscribe know none: who shares a server puts
        it into the names of channels."""
        return int(self._arguments.get("db", 0))

    def connection(self, place: Place) -> AbstractConnection:
        """A new connection to a node, not opened."""
        return self._class(
            **self._arguments,
            host=place.host,
            port=place.port,
            protocol=3,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
