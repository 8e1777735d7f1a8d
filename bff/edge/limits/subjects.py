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
        try:
            address = ip_address(client)
        except ValueError:
            return self.hidden("")
        if isinstance(address, IPv6Address):
            address = IPv6Address(int(address) >> _NETWORK_BITS << _NETWORK_BITS)
        return self.hidden(str(address))
