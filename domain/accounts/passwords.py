"""Passwords: which are taken, and Argon2id in a few threads."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar
from unicodedata import normalize

from anyio import CapacityLimiter
from pwdlib import PasswordHash

from domain.errors import InvalidError, UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

LEAST_PASSWORD: Final = 8
# Hashing takes time in proportion.
MOST_PASSWORD: Final = 256
# What is tried first, of those that are long enough (NIST SP 800-63B 5.1.1.2).
_WORST: Final = frozenset(
    {"password", "password1", "password123", "passw0rd", "p@ssw0rd", "contraseña", "contrasena"}
    | {"12345678", "123456789", "1234567890", "87654321", "11111111", "00000000", "123123123"}
    | {"qwertyui", "qwertyuiop", "qwerty123", "1q2w3e4r", "1qaz2wsx", "asdfghjkl", "abcd1234"}
    | {"abcdefgh", "iloveyou", "sunshine", "princess", "changeme", "welcome1", "comanda1"}
)
# Verified in place of an unknown account's, so that time does not tell who exists. It is of random
# bytes that nobody has kept; to make one at each start would take a fifth of a second.
NOBODYS: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$tQVJLxJB3FC5jRn7Kqp39w$zdlsJT2LOKqT2vXjCrTC4N0/Re/z9g2Msr2Exf+2Do0"
)
# Argon2id takes 64 MiB and some 50 ms of a core: more at once than cores only adds waiting.
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64
# Steps by which that comes after whoever else wants a core: one login must not hold up hundreds who
# are logged in.
_GIVES_WAY: Final = 10


def require_good(password: str, email: str) -> None:
    """InvalidError for a password that others would try first, or of a wrong length."""
    password = _composed(password)
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise InvalidError(f"A password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters.")
    folded = password.casefold()
    if folded in _WORST or folded in (email.casefold(), email.casefold().partition("@")[0]):
        raise InvalidError("This password is among the first that anybody would try.")


class Passwords:
    """Hashes as PHC strings, made and verified off the event loop; UnavailableError when too many
    wait for that."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "passwords", _give_way)

    async def hash(self, password: str) -> str:
        """A hash to keep."""
        return await self._in_turn(_ARGON2.hash, _composed(password))

    async def match(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password; None, of nobody, takes as long."""
        known = password_hash or NOBODYS
        matches = await self._in_turn(_ARGON2.verify, _composed(password), known)
        return matches and password_hash is not None

    async def _in_turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._limiter.statistics().tasks_waiting >= _MOST_WAITING:
            raise UnavailableError("Too many people are logging in at this moment.")
        async with self._limiter:
            running = asyncio.get_running_loop()
            return await running.run_in_executor(self._threads, partial(work, *args, **kwargs))


def _give_way() -> None:
    # Elsewhere it would be the whole process that is as nice.
    if sys.platform == "linux":
        os.nice(_GIVES_WAY)


def _composed(password: str) -> str:
    """The same from every keyboard: one writes the accent of a letter apart (RFC 8265 4.2.2)."""
    return normalize("NFC", password)


_ARGON2: Final = PasswordHash.recommended()
