"""A connection to Redis that everybody shares: what one turn of the loop asks is one write."""

import asyncio
import time
from asyncio import Transport
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from hiredis import PushNotification, Reader, pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

# Seconds in which something of a reply comes: a server that hangs costs its callers twice that,
# once.
PATIENCE: Final = 0.1
CONNECT_PATIENCE: Final = 0.5
# Replies that may be waited for at once; a server that owes more does not keep up.
MOST_PENDING: Final = 20_000
# What redis-py raises for a connection that is lost; the last two by mistake (its issue 4287).
LOST: Final = (RedisError, OSError, TypeError, AttributeError)
Word = bytes | str | int | float
"""Of a command."""

# Turns of the loop after which what lay in the socket has been read.
_TURNS: Final = 4
_MORE: Final = object()


class AwayError(Exception):
    """Redis does not answer, or not in time; the command may or may not have been done."""


class Wire(asyncio.Protocol):
    """One connection (RESP3) with any number of commands under way; it is opened once.

    `pushed` is given what the server sends unasked. Where a command may block, `patience` is
    longer than it does.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        pushed: Callable[[list[Any]], None] | None = None,
        *,
        patience: float | None = None,
    ) -> None:
        self._connection = connection
        self._pushed = pushed
        self._patience = patience
        self._transport: Transport
        self._replies: Reader
        self._unsent: list[bytes] = []
        self._pending: deque[asyncio.Future[Any]] = deque()
        self._received = 0
        self._watching: asyncio.Task[None] | None = None
        # To ask for it takes a system call each time (Python 3.11).
        self._loop = asyncio.get_running_loop()
        self.is_open = False

    async def open(self) -> None:
        """Connect, and greet. Raises AwayError."""
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await self._connection.connect()  # type: ignore[no-untyped-call]
        except (*LOST, TimeoutError) as error:
            self._hang_up()
            raise AwayError(str(error) or "it does not answer") from error
        self._take_over()
        self.is_open = True
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(self._watched)

    def call(self, *command: Word) -> asyncio.Future[Any]:
        """The reply to a command. Raises AwayError, or ResponseError for what Redis refuses."""
        reply = self._loop.create_future()
        self.answer(reply, *command)
        return reply

    def answer(self, reply: asyncio.Future[Any], *command: Word) -> None:
        """The same, where somebody waits for it already."""
        if not self.is_open or len(self._pending) >= MOST_PENDING:
            reply.set_exception(AwayError("Redis owes too much" if self.is_open else "no Redis"))
            return
        self.send(*command)
        self._pending.append(reply)

    def send(self, *command: Word) -> None:
        """Send a command that is answered by a push, if at all."""
        # Here, so that what cannot be packed is its caller's fault alone.
        packed = pack_command(command)  # type: ignore[arg-type]
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)

    async def close(self) -> None:
        """Hang up; who waits for a reply is told."""
        self.lose("closed")
        if self._watching is not None:
            await asyncio.gather(self._watching, return_exceptions=True)

    def lose(self, reason: object) -> None:
        """Hang up at once; who waits for a reply is told."""
        if not self.is_open:
            return
        self.is_open = False
        if self._watching is not None:
            self._watching.cancel()
        while self._pending:
            asked = self._pending.popleft()
            if not asked.done():
                asked.set_exception(AwayError(f"Redis was lost: {reason}"))
                # It may be nobody's any more.
                asked.exception()
        self._unsent.clear()
        self._hang_up()

    def _hang_up(self) -> None:
        # redis-py only closes, which waits, with the socket, for a server that reads no more.
        writer = self._connection._writer
        if writer is not None:
            writer.transport.abort()
        self._connection._writer = self._connection._reader = None

    def _take_over(self) -> None:
        """Redis-py has greeted, and reads a reply at a time in a task of its own: that takes longer
        than all else that becomes of it."""
        parser, writer = self._connection._parser, self._connection._writer
        assert writer is not None
        self._replies = Reader(
            protocolError=InvalidResponse, replyError=parser.parse_error, notEnoughData=_MORE
        )
        self._transport = cast("Transport", writer.transport)
        self._transport.set_protocol(self)

    def _flush(self) -> None:
        if self.is_open:
            commands, self._unsent = self._unsent, []
            self._transport.writelines(commands)

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        self._received += len(data)
        try:
            self._replies.feed(data)
            while (reply := self._replies.gets()) is not _MORE:
                if not isinstance(reply, PushNotification):
                    self._answer(reply)
                elif self._pushed is not None:
                    self._pushed(reply)
        except Exception as error:
            self.lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(exc or "it has hung up")

    def _answer(self, reply: Any) -> None:
        if not self._pending:
            raise AwayError(f"an answer to nothing: {reply!r}")
        is_error = isinstance(reply, RedisError)
        if is_error and not isinstance(reply, ResponseError):
            # It is loading, say, and does what it is asked for nobody.
            raise reply
        asked = self._pending.popleft()
        if asked.done():
            return
        if is_error:
            asked.set_exception(reply)
        else:
            asked.set_result(reply)

    async def _watch(self) -> None:
        """Hang up on a server that owes a reply for too long."""
        while True:
            owed, received = len(self._pending), self._received
            began = time.monotonic()
            patience = self._patience or PATIENCE
            await asyncio.sleep(patience)
            was_late = time.monotonic() - began > 1.5 * patience
            # Where this process was late itself, the replies may lie there unread.
            if owed and self._received == received and not was_late:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                if self._received == received:
                    raise AwayError("Redis does not answer in time")

    def _watched(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.lose(error)
