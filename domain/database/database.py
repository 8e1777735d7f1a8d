"""What services read and write through: the cluster, and whose writes must be seen by whom."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from sqlalchemy import Row, Select

from domain.database.cluster import Cluster, Role
from domain.database.fences import Fence, Fences, horizon
from domain.database.sessions import Reader, Ts, Writer

T = TypeVar("T")


class Database:
    """Nobody is shown the world before a write of their own, whichever process took it."""

    def __init__(self, cluster: Cluster, fences: Fences | None = None) -> None:
        self._cluster = cluster
        self._fences = fences

    async def read(
        self, role: Role, work: Callable[[Reader], Awaitable[T]], *, of: int | None = None
    ) -> T:
        """What `work` reads, of a moment not before the last write of the person `of`, nor before
        the one that the present request knows of. It may run again on another node, so it does
        nothing else. Raises UnavailableError.
        """
        seen = horizon.get()
        fence: Fence = 0 if seen is None else seen.fence
        if of is not None and self._fences is not None:
            fence = max(fence, await self._fences.of(of))
        return await self._cluster.read(role, work, fence)

    async def rows(
        self, role: Role, statement: Select[*Ts], *, of: int | None = None
    ) -> Sequence[Row[*Ts]]:
        """The rows of one statement, read as `read` does."""

        async def work(reader: Reader) -> Sequence[Row[*Ts]]:
            return (await reader.execute(statement)).all()

        return await self.read(role, work, of=of)

    async def write(self, work: Callable[[Writer], Awaitable[T]], *, by: Collection[int] = ()) -> T:
        """What `work` does in one transaction, committed before this returns. It may run again
        after it was undone. `by` are those who must see it from now on. Raises UnavailableError.
        """
        seen = horizon.get()
        # What nobody will ask for takes no round trip: an idle relay, say. `work` may fill `by`.
        result, fence = await self._cluster.write(work, fenced=lambda: bool(by or seen))
        if seen is not None:
            seen.written = max(seen.written, fence)
        if by and self._fences is not None and not await self._fences.keep(by, fence):
            # Another process, which Redis may answer, would not know of it.
            await self._cluster.settle(fence)
        return result
