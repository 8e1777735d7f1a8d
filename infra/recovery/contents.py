"""What is in a database that was restored: whether it can be trusted, and how new it is."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import func, select

from domain import model, wallet
from domain.database import Cluster, Database, Limits, Role

# Seconds; the whole ledger is added up.
_PATIENCE: Final = 600.0


class Contents(Struct, frozen=True, rename="camel"):
    """Orders, lines of the ledger and what they come to (minor units), whether they explain every
    balance, and when the last of them was written."""

    orders: int
    lines: int
    ledger_minor: int
    is_sound: bool
    newest_at: datetime | None


async def contents(url: str) -> Contents:
    """What is behind a URL; nothing is written there. Raises UnavailableError."""
    cluster = Cluster(url, [], Limits(connections=1, statement_timeout=_PATIENCE))
    database = Database(cluster)
    try:
        found = await wallet.audit(database)
        newest = func.greatest(
            select(func.max(model.Transaction.created_at)).scalar_subquery(),
            select(func.max(model.Order.created_at)).scalar_subquery(),
        )
        orders = select(func.count()).select_from(model.Order).scalar_subquery()
        ((count, newest_at),) = await database.rows(Role.PRIMARY, select(orders, newest))
        return Contents(count, found.lines, found.ledger_minor, found.is_sound, newest_at)
    finally:
        await cluster.close()
