"""Where the application finds its database, its Redis and its object store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Addresses:
    """The URLs and keys of a running stack. Those with a password stay out of `repr`."""

    database_url: str = field(repr=False)
    replica_urls: tuple[str, ...] = field(repr=False)
    redis_url: str = field(repr=False)
    s3_endpoint: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """The same as the environment variables that the application's settings read."""
        named = {
            "COMANDA_DATABASE_URL": self.database_url,
            "COMANDA_REPLICA_URLS": ",".join(self.replica_urls),
            "COMANDA_REDIS_URL": self.redis_url,
            "COMANDA_S3_ENDPOINT": self.s3_endpoint,
            "COMANDA_S3_ACCESS_KEY": self.s3_access_key,
            "COMANDA_S3_SECRET_KEY": self.s3_secret_key,
        }
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True)
class Given:
    """The servers that somebody else runs, and that the stack therefore does not start."""

    database_url: str = field(default="", repr=False)
    replica_urls: tuple[str, ...] = field(default=(), repr=False)
    redis_url: str = field(default="", repr=False)
    s3_endpoint: str = ""
    s3_access_key: str = field(default="", repr=False)
    s3_secret_key: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Given:
        """Read the variables that `Addresses.environment` writes."""
        replicas = environment.get("COMANDA_REPLICA_URLS", "").split(",")
        return cls(
            database_url=environment.get("COMANDA_DATABASE_URL", ""),
            replica_urls=tuple(url.strip() for url in replicas if url.strip()),
            redis_url=environment.get("COMANDA_REDIS_URL", ""),
            s3_endpoint=environment.get("COMANDA_S3_ENDPOINT", ""),
            s3_access_key=environment.get("COMANDA_S3_ACCESS_KEY", ""),
            s3_secret_key=environment.get("COMANDA_S3_SECRET_KEY", ""),
        )
