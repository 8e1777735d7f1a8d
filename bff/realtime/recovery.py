"""Connection state recovery: a client that was cut off goes on where it was, in any process.

https://socket.io/docs/v4/connection-state-recovery
"""

import asyncio
import secrets
from typing import Final

import msgspec
from msgspec import Struct
from redis.exceptions import ResponseError

from domain.redis import AwayError, Nodes

# Seconds that a client has to come back,
AWAY: Final = 120
# and that what is known of one who is there is kept, for the process may be killed; it is written
# anew whenever the client proves again who it is.
THERE: Final = 20 * 60
_ID_BYTES: Final = 18
# Seconds until it is tried again; and how many are.
_AGAIN: Final = 0.5
_MOST_UNKEPT: Final = 20_000


Who = tuple[int, str, int | None]
"""A person, in a role, at a counter."""


class State(Struct, frozen=True, array_like=True):
    """What makes a client the same again: whose it is, its id, and its rooms."""

    principal: Who
    sid: str
    rooms: list[str]
    run: bytes
    """Of the Redis server that was told: another one may know an older state, of fewer rooms."""


class States:
    """The states of clients, by a name that only they know."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._unkept: dict[str, tuple[State, int]] = {}
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(State).decode

    @staticmethod
    def name() -> str:
        """A new one."""
        return secrets.token_urlsafe(_ID_BYTES)

    def keep(self, name: str, state: State, seconds: int) -> None:
        """Remember it; as long as that fails it is tried again, for an older one may be there."""
        self._unkept[name] = state, seconds
        key = _key(name)
        call = self._nodes.call(key, "SET", key, self._encode(state), "EX", seconds)
        keeping = asyncio.ensure_future(call)
        keeping.add_done_callback(lambda kept: self._noted(kept, name, state))

    def _noted(self, kept: "asyncio.Future[object]", name: str, state: State) -> None:
        latest = self._unkept.get(name)
        if latest is None or latest[0] is not state or kept.cancelled():
            return
        if kept.exception() is None or len(self._unkept) > _MOST_UNKEPT:
            del self._unkept[name]
        else:
            asyncio.get_running_loop().call_later(_AGAIN, self._again, name, state)

    def _again(self, name: str, state: State) -> None:
        latest = self._unkept.get(name)
        if latest is not None and latest[0] is state:
            self.keep(name, *latest)

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
