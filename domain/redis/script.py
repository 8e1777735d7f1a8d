"""Lua that Redis runs as one step, sent once and then called by its name."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha1
from typing import TypeVar

from redis.exceptions import NoScriptError

from domain.redis.wire import Word

T = TypeVar("T")


class Script:
    """The source, and the name that Redis knows it by."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.name = sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, call: Callable[..., Awaitable[T]], keys: Sequence[bytes], *arguments: Word
    ) -> T:
        """What `call`, which is given a command, makes of it. Of a cluster all `keys` lie in one
        slot. Raises what `call` raises."""
        try:
            return await call("EVALSHA", self.name, len(keys), *keys, *arguments)
        except NoScriptError:
            return await call("EVAL", self.source, len(keys), *keys, *arguments)
