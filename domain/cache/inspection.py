"""For operators: what is known of one value, and how to have all of a kind read anew."""

from typing import Any

from msgspec import Struct
from sqlalchemy import func, insert

from domain.cache.changes import Changes
from domain.cache.kinds import Kind
from domain.cache.shared import Kept, Shared, Slots
from domain.database import Cluster, Database, Fence, Writer
from domain.model import OutboxEvent
from domain.redis import Nodes


class Explanation(Struct, frozen=True):
    """A value's place in Redis, what is there, and the fence of each tag (0: void by nothing
    lately)."""

    place: str
    fences: dict[str, Fence]
    kept: Kept | None

    @property
    def verdict(self) -> str:
        """What a process would do with it that knows no more."""
        if self.kept is None:
            return "not in Redis: the next one who asks reads it from PostgreSQL"
        needed = max(self.fences.values())
        if self.kept.asof < needed:
            behind = needed - self.kept.asof
            return f"too old by {behind} bytes of the log for a process that starts now"
        return "served"


async def explain(cluster: Cluster, nodes: Nodes, kind: Kind[Any, Any], key: Any) -> Explanation:
    """What a process that starts now knows. Raises UnavailableError, AwayError."""
    changes = Changes(cluster)
    await changes.look()
    await changes.close()
    place = Slots(changes.generation, kind.shape).of(key)
    tags = kind.tags(key) + kind.own
    return Explanation(
        place.decode(),
        {tag: changes.of((tag,)) for tag in tags},
        await Shared(nodes).kept(place),
    )


async def flush(database: Database, kind: Kind[Any, Any]) -> None:
    """Have every process read the values of a kind anew, from now on. Raises UnavailableError."""
    told = insert(OutboxEvent).values(
        kind="cache:void", payload={}, cache_tags=[kind.tag], delivered_at=func.now()
    )

    async def tell(writer: Writer) -> None:
        await writer.change(told)

    await database.write(tell)
