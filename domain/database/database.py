"""What services read and write through: the cluster, and whose writes must be seen by whom."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, Select

from domain.database.cluster import Cluster, Role
from domain.database.fences import Fence, Fences, horizon
from domain.database.sessions import Reader, Writer
from domain.database.statements import Ts, Values
from domain.database.together import Found, Question

T = TypeVar("T")
Voided = Callable[[Collection[str], Fence, int], None]
"""Is told of the cache tags that a transaction makes void, of its fence, and of its number."""


class Database:
    """Nobody is shown the world before a write of their own, whichever process took it."""

    def __init__(
        self, cluster: Cluster, fences: Fences | None = None, voided: Voided | None = None
    ) -> None:
        self._cluster = cluster
        self._fences = fences
        self._voided = voided

    async def read(
        self, role: Role, work: Callable[[Reader], Awaitable[T]], *, of: int | None = None
    ) -> T:
        """What `work` reads, of a moment not before the last write of the person `of`, nor before
        the one that the present request knows of. It may run again on another node, so it does
        nothing else. Raises UnavailableError.
        """
        return (await self.snapshot(role, work, of=of))[0]

    async def snapshot(
        self,
        role: Role,
        work: Callable[[Reader], Awaitable[T]],
        fence: Fence = 0,
        *,
        of: int | None = None,
    ) -> tuple[T, Fence]:
        """What `work` reads, as `read` does, of a moment not before `fence`; and the position that
        it has seen everything of."""
        return await self._cluster.snapshot(role, work, await self._fence(fence, of))

    async def rows(
        self,
        role: Role,
        statement: Select[*Ts],
        values: Values | None = None,
        *,
        of: int | None = None,
    ) -> Sequence[Row[*Ts]]:
        """The rows of one statement, read as `read` does."""

        async def work(reader: Reader) -> Sequence[Row[*Ts]]:
            return (await reader.execute(statement, values)).all()

        return await self.read(role, work, of=of)

    async def row(
        self,
        role: Role,
        statement: Select[*tuple[Any, ...]],
        values: Values,
        *,
        of: int,
        own: tuple[str, ...],
    ) -> Found | None:
        """The row of a statement that finds one at most, read as `read` does. `own` are the names
        of values that lead to what is the asker's; with all others alike it is read in one
        statement for all who ask at the same moment."""
        fence = await self._fence(0, of)
        return await self._cluster.row(role, Question(statement, values, own), fence)

    async def _fence(self, fence: Fence, of: int | None) -> Fence:
        """How far the present request has to see, and the person whom it reads for."""
        seen = horizon.get()
        if seen is not None:
            fence = max(fence, seen.fence)
        if of is not None and self._fences is not None:
            known = seen.own if seen is not None else None
            own = known[1] if known and known[0] == of else await self._fences.of(of)
            fence = max(fence, own)
        return fence

    async def write(
        self,
        work: Callable[[Writer], Awaitable[T]],
        *,
        by: Collection[int] = (),
        is_single: bool = False,
    ) -> T:
        """What `work` does in one transaction, committed before this returns. It may run again
        after it was undone. `by` are those who must see it from now on. With `is_single` it is
        one statement, and each is a transaction of its own. Raises UnavailableError.
        """
        seen = horizon.get()
        # What nobody will ask for takes no round trip: an idle relay, say. `work` may fill `by`.
        told: Writer | None = None

        async def noted(writer: Writer) -> T:
            nonlocal told
            told = writer
            return await work(writer)

        result, fence = await self._cluster.write(
            noted,
            fenced=lambda: bool(by or seen or (told and told.tags)),
            is_single=is_single,
        )
        if self._voided is not None and told is not None and told.tags and told.transaction:
            self._voided(told.tags, fence, told.transaction)
        if seen is not None:
            seen.written = max(seen.written, fence)
        if by and self._fences is not None and not await self._fences.keep(by, fence):
            # Another process, which Redis may answer, would not know of it.
            await self._cluster.settle(fence)
        return result
