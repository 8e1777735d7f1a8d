"""Under what name Redis knows whom it counts: people by number, others by a keyed hash."""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Final

_BYTES: Final = 12
# What one subscriber of IPv6 is given at least (RFC 6177), and whose addresses change by the hour.
_NETWORK_BITS: Final = 64
_MOST_KNOWN: Final = 4096


class Subjects:
    """Names that nobody without the secret can turn into an address, or try addresses on."""

    def __init__(self, secret: str) -> None:
        self._key = blake2b(secret.encode(), digest_size=32, person=b"comanda-limits").digest()
        self.address = lru_cache(_MOST_KNOWN)(self._address)

    def hidden(self, text: str) -> bytes:
        """A name for an account, always the same."""
        return blake2b(text.encode(), digest_size=_BYTES, key=self._key).hexdigest().encode()

    def _address(self, client: str) -> bytes:
        """A name for an address, of IPv6 for its network."""
        return self.hidden(network(client))


def network(client: str) -> str:
    """What all addresses of one client have in common; empty for what is no address."""
    try:
        address = ip_address(client)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            # As a socket for both tells of IPv4: all of that is one /64.
            return str(address.ipv4_mapped)
        address = IPv6Address(int(address) >> _NETWORK_BITS << _NETWORK_BITS)
    return str(address)
