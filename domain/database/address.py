"""PostgreSQL's addresses as people have them: one URL, which asyncpg understands."""

from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

# For SQLAlchemy, which is told the rest by `dsn`: it takes neither sslmode nor several hosts.
DRIVER: Final = "postgresql+asyncpg://"
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")
# libpq's parameters about what asyncpg leaves to others: timeouts are ours, the rest the kernel's.
_NOT_OURS: Final = frozenset(
    {"connect_timeout", "gssencmode", "keepalives", "keepalives_idle", "keepalives_interval"}
    | {"keepalives_count", "tcp_user_timeout"}
)


_READ_WRITE: Final = ("target_session_attrs", "read-write")
_PRIMARY: Final = ("target_session_attrs", "primary")


class DatabaseAddressError(ValueError):
    """A text is not the URL of a PostgreSQL server; the message has no part of it."""


def dsn(url: str, *, read_only: bool = False) -> str:
    """`url` as asyncpg's `dsn`: libpq's `postgresql://user:password@host:port,host:port/database`
    with `sslmode`, `sslrootcert`, `target_session_attrs` and server settings as parameters.

    SQLAlchemy's spelling (`postgresql+asyncpg://`, `?ssl=require`) is understood as well. Of the
    hosts, a `read_only` connection takes the primary where others ask for `read-write`, which it
    could not be itself.
    Raises DatabaseAddressError.
    """
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise DatabaseAddressError("it is no URL") from None
    if parts.scheme not in _SCHEMES:
        raise DatabaseAddressError("it does not begin with postgresql://")
    if not parts.path.strip("/"):
        raise DatabaseAddressError("it names no database: postgresql://user@host:5432/database")
    kept = [("sslmode" if key == "ssl" else key, value) for key, value in given]
    if read_only:
        kept = [_PRIMARY if pair == _READ_WRITE else pair for pair in kept]
    query = urlencode([pair for pair in kept if pair[0] not in _NOT_OURS], quote_via=quote)
    return urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))


def nodes(url: str) -> str:
    """The hosts and ports of a URL, for people and logs, without who connects and how."""
    return urlsplit(url).netloc.rpartition("@")[2] or "the local socket"
