"""Signed recipes: who holds a key may ask for a size or a colour that is not on the ladder."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

_KEY_ID: Final = re.compile(r"[a-z0-9]{1,16}")
_FEWEST_SECRET_BYTES: Final = 32
# Names what the keys are used for, so that a signature made for anything else never fits.
_PURPOSE: Final = "comanda picture v1"


class SignatureError(ValueError):
    """A picture's URL is signed, but not by a key of ours for this very picture."""


class KeyRing:
    """The keys that signatures are checked with, and the one that new ones are made with.

    To rotate: add a key, make it current once every process knows it, and take the old one
    away when the pages that carry its signatures are gone.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """`keys`: name of 1 to 16 lower-case letters and digits -> secret of 32 bytes or more.

        Raises ValueError that names the key, and never shows a secret.
        """
        for name, secret in keys.items():
            if not _KEY_ID.fullmatch(name):
                raise ValueError(f"key {name!r}: a name is 1 to 16 lower-case letters and digits")
            if len(secret) < _FEWEST_SECRET_BYTES:
                raise ValueError(f"key {name!r}: a secret has {_FEWEST_SECRET_BYTES} bytes or more")
        if current not in keys:
            raise ValueError(f"key {current!r} is to sign, but it is not on the ring")
        self._keys = dict(keys)
        self._current = current

    def __repr__(self) -> str:
        return f"KeyRing({sorted(self._keys)}, current={self._current!r})"

    def sign(self, product_id: int, version: str, geometry: str) -> str:
        """`{key}.{HMAC-SHA256 in base64url}` for the geometry of a recipe off the ladder."""
        return self._signature(self._current, product_id, version, geometry)

    def verify(self, signature: str, product_id: int, version: str, geometry: str) -> None:
        """Raises SignatureError unless one of the keys made `signature` for just this."""
        name = signature.partition(".")[0]
        if name not in self._keys:
            raise SignatureError("The picture's URL is signed with a key that is not in use.")
        expected = self._signature(name, product_id, version, geometry)
        # The texts are compared, for base64 has several spellings of the same bytes; in
        # constant time, for else its duration would tell the right one byte by byte.
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise SignatureError("The signature of the picture's URL is for something else.")

    def _signature(self, name: str, product_id: int, version: str, geometry: str) -> str:
        message = f"{_PURPOSE}\n{product_id}/{version}/{geometry}"
        digest = hmac.digest(self._keys[name], message.encode(), hashlib.sha256)
        return f"{name}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
