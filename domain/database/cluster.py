"""A primary and its replicas: who reads where, and what happens when one of them is lost."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

import asyncpg

from domain.database.fences import UNKNOWN, Fence
from domain.database.node import DRIVER_ERRORS, LaterError, LostError, Node, PassedError
from domain.database.pools import ConnectionKind, Connections, Limits
from domain.database.sessions import Reader, Writer
from domain.database.together import Found, Question, Together
from domain.durations import Durations
from domain.errors import UnavailableError

T = TypeVar("T")

log = logging.getLogger(__name__)

# How often a transaction is done over when another one got in its way.
MOST_TRIES: Final = 4
# Seconds between two looks at a node.
POLL: Final = 0.25
# Seconds until a replica that is waited for is looked at again; and after which any process has
# seen what this one sees.
_SOON: Final = 0.01
_LEEWAY: Final = 2 * POLL
# Seconds that a replica may still take to show what a lost primary sent, or sends it alone.
_LAST: Final = 0.5
# Upper bounds in seconds of the classes of statements by how long they took.
_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Message of the log: whoever has replayed it has replayed, and shows, every commit before it.
_FENCE: Final = "SELECT pg_logical_emit_message(false, 'comanda', '')"


class Role(StrEnum):
    """What a read is for."""

    PRIMARY = "primary"
    MENU = "menu"
    """The menu, and a person's own history."""
    ANALYTICS = "analytics"
    REPORTS = "reports"


@dataclass(frozen=True)
class Routing:
    """By role the replicas, counted from 0, that serve it, the best first; the primary comes last
    of all. A replica further behind than `bytes` and `seconds` serves nobody."""

    chains: Mapping[Role, Sequence[int]] = field(
        default_factory=lambda: {Role.MENU: (0, 1, 2), Role.ANALYTICS: (1, 2), Role.REPORTS: (2, 1)}
    )
    bytes: int = 16 * 1024 * 1024
    seconds: float = 5.0


class Cluster:
    """Reads by role, and transactions on the primary."""

    def __init__(
        self,
        primary_url: str,
        replica_urls: Sequence[str],
        limits: Limits | None = None,
        routing: Routing | None = None,
        kind: ConnectionKind = asyncpg.Connection,
    ) -> None:
        limits = limits or Limits()
        self._routing = routing or Routing()
        self._primary = Node("primary", primary_url, limits, writable=True, kind=kind)
        self._replicas = [
            Node(f"replica-{number}", url, limits, kind=kind)
            for number, url in enumerate(replica_urls, start=1)
        ]
        self._watching: list[asyncio.Task[None]] = []
        self._caught_up: dict[Node, float] = {}
        self._asked: asyncio.Future[Fence] | None = None
        self.served: Counter[tuple[Role, str]] = Counter()
        """Reads by role and node, since the start,"""
        self.statements = Durations(_BOUNDS)
        """and how long statements took that were waited for, reads and writes."""
        self._together = {node: Together(node.reading, self.statements) for node in self._nodes}

    def start(self) -> None:
        """Watch the nodes from now on, and open their first connections."""
        for node in self._nodes:
            self._watching.append(asyncio.create_task(self._watch(node)))

    async def read(self, role: Role, work: Callable[[Reader], Awaitable[T]], fence: Fence = 0) -> T:
        """What `work` reads from a node of the role that has come as far as `fence`.

        It is done over on the next node when one is lost under it. Raises UnavailableError.
        """
        return (await self._read(role, work, fence))[0]

    async def snapshot(
        self, role: Role, work: Callable[[Reader], Awaitable[T]], fence: Fence = 0
    ) -> tuple[T, Fence]:
        """What `work` reads, as `read` does, and the position of which it has seen everything."""
        return await self._read(role, work, fence, fence if fence < UNKNOWN else 0)

    async def _read(
        self,
        role: Role,
        work: Callable[[Reader], Awaitable[T]],
        fence: Fence,
        dated: Fence = 0,
    ) -> tuple[T, Fence]:
        """`dated` is what the position has to be known to be behind, if it is."""

        async def on(node: Node) -> T:
            async with node.reading() as connection:
                return await work(Reader(connection, self.statements))

        return await self._found(role, on, fence, dated)

    async def row(self, role: Role, question: Question, fence: Fence = 0) -> Found | None:
        """The row that a question is about, if there is one, read as by `read`; together with
        others' who ask alike at the same moment."""

        async def on(node: Node) -> Found | None:
            return await self._together[node].row(question)

        return (await self._found(role, on, fence))[0]

    async def _found(
        self,
        role: Role,
        on: Callable[[Node], Awaitable[T]],
        fence: Fence,
        dated: Fence = 0,
    ) -> tuple[T, Fence]:
        for node in self._chain(role):
            if self._may_serve(node) and await _has_come(node, fence):
                found = await self._tried(node, role, on)
                if found is not None:
                    return found
        found = await self._tried(self._primary, role, on, dated)
        if found is not None:
            return found
        # It may have been one connection only; or it is dead, and what it sent last has arrived.
        await self._primary.look()
        if self._primary.up:
            found = await self._tried(self._primary, role, on, dated)
        else:
            found = await self._tried_until_late(role, on, fence)
        if found is None:
            raise UnavailableError("The database does not answer.")
        return found

    async def write(
        self,
        work: Callable[[Writer], Awaitable[T]],
        *,
        fenced: Callable[[], bool] = lambda: True,
        is_single: bool = False,
    ) -> tuple[T, Fence]:
        """What `work` does in one transaction, committed; and the fence behind it, 0 if it is not
        to be `fenced`. What is a single statement takes one round trip instead of three.

        It is done over when another transaction got in its way, and that undid it. Raises
        UnavailableError; if the node is lost during COMMIT, it may or may not have been done.
        """
        for tried in range(1, MOST_TRIES + 1):
            try:
                async with self._primary.writing() as connection:
                    async with self._primary.transaction(connection, is_single=is_single):
                        result = await work(Writer(connection, self.statements))
                    return result, await self._behind(connection) if fenced() else 0
            except PassedError as error:
                if tried == MOST_TRIES:
                    raise UnavailableError("Too much is changed at once.", 1) from error
                await asyncio.sleep(random.uniform(0.005, 0.02) * 2**tried)
            except (LostError, LaterError) as error:
                log.warning("a write failed: %s", error)
                raise UnavailableError("The database could not answer just now.") from error
        raise AssertionError

    async def _behind(self, connection: asyncpg.Connection) -> Fence:
        """A position behind what was just committed over a connection. One who asks for it tells
        all who wait for that by then."""
        earlier = self._asked
        if earlier is not None and not earlier.done():
            # It was asked for before this was committed, and may not be behind it.
            await asyncio.wait([earlier])
        asked = self._asked
        if asked is not None and asked is not earlier:
            fence = await asyncio.shield(asked)
            return fence if fence < UNKNOWN else await _fence(connection)
        told = self._asked = asyncio.get_running_loop().create_future()
        fence = UNKNOWN
        try:
            fence = await _fence(connection)
        finally:
            told.set_result(fence)
        return fence

    async def settle(self, fence: Fence) -> None:
        """Wait until every replica that anybody reads from has come as far as `fence`, which is
        as long at most as one may lag."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._routing.seconds + _LEEWAY):
                for node in self._replicas:
                    while self._may_serve(node, _LEEWAY) and not await _has_come(  # noqa: ASYNC110
                        node, fence
                    ):
                        await asyncio.sleep(_SOON)

    async def ping(self, patience: float) -> dict[str, bool]:
        """Whether each node answers within `patience` seconds, by name."""
        answers = await asyncio.gather(*(node.answers(patience) for node in self._nodes))
        return {node.name: well for node, well in zip(self._nodes, answers, strict=True)}

    @property
    def behind(self) -> set[str]:
        """Replicas that answer, and are too far behind to be read from."""
        return {node.name for node in self._replicas if node.up and not self._may_serve(node)}

    @property
    def lags(self) -> dict[str, float]:
        """Seconds that each replica that answers is behind, by name."""
        return {node.name: self._late(node) for node in self._replicas if node.up}

    @property
    def connections(self) -> dict[str, Connections]:
        """Those of this process to each node, by name."""
        return {node.name: node.connections for node in self._nodes}

    async def look(self) -> Fence:
        """How far the primary has come. Raises UnavailableError."""
        await self._primary.look()
        if not self._primary.up:
            raise UnavailableError("The database does not answer.")
        return self._primary.position

    async def knows(self, fence: Fence) -> bool:
        """Whether the primary has come as far; what it wrote a moment ago is looked for. While it
        is away nobody can tell, and whoever asks for it is believed.
        """
        await _catch_up(self._primary, fence)
        return not self._primary.up or self._primary.position >= fence

    async def close(self) -> None:
        """Stop watching, and close every pool."""
        for watching in self._watching:
            watching.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await asyncio.gather(*(node.close() for node in self._nodes))

    @property
    def _nodes(self) -> list[Node]:
        return [self._primary, *self._replicas]

    async def _tried(
        self, node: Node, role: Role, on: Callable[[Node], Awaitable[T]], dated: Fence = 0
    ) -> tuple[T, Fence] | None:
        """What is read `on` a node, and of which position; None if that is no more to be
        had there."""
        if node.up:
            # A fence may be nobody's, who was believed while the primary was away.
            await _catch_up(node, dated)
        asof = node.position
        try:
            result = await on(node)
        except (LostError, PassedError) as error:
            log.info("a read of %s goes on from %s: %s", role, node.name, error)
            return None
        except LaterError as error:
            raise UnavailableError(str(error)) from error
        self.served[role, node.name] += 1
        return result, asof

    async def _tried_until_late(
        self, role: Role, on: Callable[[Node], Awaitable[T]], fence: Fence
    ) -> tuple[T, Fence] | None:
        """What a replica has that is there without a primary, though it may lag."""
        deadline = time.monotonic() + _LAST
        while left := [node for node in self._chain(role) if node.up]:
            for node in left:
                if await _has_come(node, fence):
                    found = await self._tried(node, role, on)
                    if found is not None:
                        return found
            if fence == UNKNOWN or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_SOON)
        return None

    def _chain(self, role: Role) -> Iterable[Node]:
        for number in self._routing.chains.get(role, ()):
            if number < len(self._replicas):
                yield self._replicas[number]

    def _may_serve(self, node: Node, leeway: float = 0.0) -> bool:
        """Whether it is up and not too far behind, but for so many seconds of `leeway`."""
        behind = self._primary.position - node.position
        if not node.up or behind <= 0:
            return node.up
        in_time = self._late(node) <= self._routing.seconds + leeway
        return behind <= self._routing.bytes and in_time

    def _late(self, node: Node) -> float:
        """Seconds that a replica is behind. An idle primary is no lag: what was replayed is old
        then, but all there is."""
        if node.position >= self._primary.position:
            return 0.0
        # By one clock: the replica's may show anything.
        late = self._primary.now - node.replayed_at
        if node in self._caught_up:
            late = min(late, time.monotonic() - self._caught_up[node])
        return late

    async def _watch(self, node: Node) -> None:
        is_warm = False
        while True:
            try:
                await node.look()
                if node.up and not is_warm:
                    await node.warm()
                    is_warm = True
            except Exception:
                # A node that nobody looks at would be out, or in, for ever.
                log.exception("database node %s was not looked at", node.name)
            if node.up and node.position >= self._primary.position:
                self._caught_up[node] = time.monotonic()
            # Not all of them, and not all processes, at the same moment.
            await asyncio.sleep(POLL * random.uniform(0.8, 1.2))


async def _has_come(node: Node, fence: Fence) -> bool:
    if node.position < fence < UNKNOWN:
        await node.look()
    return node.up and node.position >= fence


async def _catch_up(node: Node, fence: Fence) -> None:
    """Know that a node has come as far, if it has."""
    # Twice: the look that somebody else began may have come too early.
    for _ in range(2):
        if node.position < fence:
            await node.look()


async def _fence(connection: asyncpg.Connection) -> Fence:
    """The position behind what was just committed. (`pg_current_wal_insert_lsn()` is not sound.)"""
    try:
        return int(await connection.fetchval(_FENCE))
    except DRIVER_ERRORS as error:
        # It is committed, and is acknowledged.
        log.warning("a write has no fence: %s", error)
        connection.terminate()
        return UNKNOWN
