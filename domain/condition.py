"""How much the database holds, and how much its outbox has still to see to."""

from typing import Final

from msgspec import Struct
from sqlalchemy import BigInteger, Float, cast, extract, func, select

from domain.database import Cluster, Reader, Role
from domain.model import OutboxEvent

# Events that are counted; that there are more says no more.
MOST_COUNTED: Final = 1000

_WAITING: Final = (
    select(OutboxEvent.created_at)
    .where(OutboxEvent.delivered_at.is_(None))
    # As the index has them: of a week's events these are a handful.
    .order_by(OutboxEvent.kind, OutboxEvent.due_at)
    .limit(MOST_COUNTED)
    .subquery()
)
_AGE: Final = extract("epoch", func.clock_timestamp() - func.min(_WAITING.c.created_at))
_CONDITION: Final = select(
    cast(func.pg_database_size(func.current_database()), BigInteger),
    func.count(),
    cast(func.greatest(func.coalesce(_AGE, 0), 0), Float),
).select_from(_WAITING)


class Condition(Struct, frozen=True):
    """Bytes of the database; events that wait, MOST_COUNTED at most, and seconds that one of them
    has waited already."""

    bytes: int
    events: int
    oldest: float


async def condition(cluster: Cluster) -> Condition:
    """As the primary has it. Raises UnavailableError."""

    async def work(reader: Reader) -> Condition:
        return Condition(*(await reader.execute(_CONDITION)).one())

    return await cluster.read(Role.PRIMARY, work)
