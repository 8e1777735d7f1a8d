"""Who is really asking, where proxies stand in between: only those that are known are believed."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

from litestar.types import HTTPScope

# Proxies in a row; who sends more makes them up.
_MOST_HOPS: Final = 16
_MOST_KNOWN: Final = 4096
_MOST_KNOWN_CHARACTERS: Final = 512


class ProxyHeader(StrEnum):
    """Where our proxies write who asked them. One of them: the other is the client's to forge."""

    X_FORWARDED_FOR = "x-forwarded-for"
    FORWARDED = "forwarded"


class Networks:
    """Addresses, as networks like 10.0.0.0/8. Raises ValueError for what is none."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(each) for each in networks]
        self.include = lru_cache(_MOST_KNOWN)(self._include)

    def _include(self, address: str) -> bool:
        """Whether one of them has the address; none has what is no address."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


class Client(NamedTuple):
    """An address, empty where there is none (a socket of the file system), and whether the way to
    the first of our proxies is HTTPS."""

    address: str
    is_secure: bool


class Clients:
    """Finds whoever asked the first of our own proxies: what is further left anybody can write."""

    def __init__(self, trusted: Networks, header: ProxyHeader) -> None:
        self._trusted = trusted
        self._header = header
        self._name = header.value.encode()
        self._of = lru_cache(_MOST_KNOWN)(self._found)

    def of(self, scope: HTTPScope) -> Client:
        """The client of a request."""
        peer = scope["client"][0] if scope["client"] else ""
        is_secure = scope["scheme"] == "https"
        if not self._trusted.include(peer):
            return Client(peer, is_secure)
        headers = scope["headers"]
        told = b",".join(value for name, value in headers if name == self._name)
        schemes = [value for name, value in headers if name == b"x-forwarded-proto"]
        scheme = schemes[-1] if schemes else b""
        is_usual = len(told) + len(scheme) <= _MOST_KNOWN_CHARACTERS
        found = self._of if is_usual else self._found
        return found(peer, told.decode("latin-1"), scheme, is_secure)

    def _found(self, peer: str, told: str, scheme: bytes, is_secure: bool) -> Client:
        if self._header is ProxyHeader.FORWARDED:
            hops = list(_forwarded(told))
        else:
            hops = [(_address(each), "") for each in _last(told, ",")]
        client = peer
        # The nearest of several proxies that write a scheme knows of the next one only.
        schemes = [each.strip().lower() for each in scheme.decode("latin-1").split(",")]
        for address, by_scheme in hops:
            if not address:
                # Unknown, obfuscated or nonsense: the one that told it is as far as we see.
                break
            client = address
            if by_scheme:
                schemes = [by_scheme]
            if not self._trusted.include(address):
                break
        if schemes[0] in ("http", "https"):
            is_secure = schemes[0] == "https"
        return Client(client, is_secure)


def _last(told: str, separator: str) -> Iterator[str]:
    """The parts of a list, the last first, without what nobody would write."""
    for part in reversed(told.split(separator)[-_MOST_HOPS:]):
        yield part.strip()


def _forwarded(told: str) -> Iterator[tuple[str, str]]:
    """The address and the scheme of each hop, the last first (RFC 7239 4)."""
    for hop in _last(told, ","):
        pairs = {}
        for pair in hop.split(";"):
            name, _, value = pair.partition("=")
            pairs[name.strip().lower()] = value.strip().strip('"')
        yield _address(pairs.get("for", "")), pairs.get("proto", "").lower()


def _address(text: str) -> str:
    """As it is written canonically, without a port; empty if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
