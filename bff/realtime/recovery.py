"""Connection state recovery: a client that was cut off goes on where it was, in any process.

https://socket.io/docs/v4/connection-state-recovery
"""

import asyncio
import logging
import secrets
from typing import Final

import msgspec
from msgspec import Struct
from redis.exceptions import ResponseError

from domain.redis import AwayError, Nodes

log = logging.getLogger(__name__)

# Seconds that a client has to come back,
AWAY: Final = 120
# and that what is known of one who is there is kept, for the process may be killed; it is written
# anew whenever the client proves again who it is.
THERE: Final = 20 * 60
_ID_BYTES: Final = 18


Who = tuple[int, str, int | None]
"""A person, in a role, at a counter."""


class State(Struct, frozen=True, array_like=True):
    """What makes a client the same again: whose it is, its id, and its rooms."""

    principal: Who
    sid: str
    rooms: list[str]


class States:
    """The states of clients, by a name that only they know."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(State).decode

    @staticmethod
    def name() -> str:
        """A new one."""
        return secrets.token_urlsafe(_ID_BYTES)

    def keep(self, name: str, state: State, seconds: int) -> None:
        """Remember it; if that fails, its client has to subscribe anew."""
        key = _key(name)
        call = self._nodes.call(key, "SET", key, self._encode(state), "EX", seconds)
        asyncio.ensure_future(call).add_done_callback(_noted)

    async def take(self, name: str) -> State | None:
        """The state of that name, which nobody can take again; None where there is none."""
        key = _key(name)
        try:
            found = await self._nodes.call(key, "GETDEL", key)
            return None if found is None else self._decode(found)
        except (AwayError, ResponseError, msgspec.MsgspecError):
            return None


def _key(name: str) -> bytes:
    return b"socket:" + name.encode()


def _noted(keeping: "asyncio.Future[object]") -> None:
    if not keeping.cancelled() and (error := keeping.exception()) is not None:
        log.debug("the state of a client was not kept: %s", error)
