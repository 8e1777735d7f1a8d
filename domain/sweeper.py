"""Deletes what was needed for a while only."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from domain.background import Background
from domain.database import Database, Writer
from domain.trace import Spans, untold

log = logging.getLogger(__name__)

# Rows that one transaction deletes: it holds no lock for long, and little is replayed at once.
BATCH: Final = 1000
# Seconds between two sweeps of a process.
PAUSE: Final = 3600.0


class Kept(Struct, frozen=True):
    """Rows are kept for a `lifetime` from the instant in `since`, which has an index."""

    since: InstrumentedAttribute[Any]
    lifetime: timedelta


class Sweeper(Background):
    """Sweeps every hour or so, in every process; together they sweep no row twice."""

    def __init__(self, database: Database, kept: Sequence[Kept], spans: Spans = untold) -> None:
        self._database = database
        self._kept = kept
        self._spans = spans

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PAUSE * random.uniform(0.8, 1.2))
            for kept in self._kept:
                await self._sweep(kept)

    async def _sweep(self, kept: Kept) -> None:
        table = kept.since.class_.__tablename__
        with self._spans(f"sweep {table}", None) as span:
            try:
                await sweep(self._database, kept)
            except Exception as error:
                span.failed(error)
                log.exception("%s were not swept", table)


async def sweep(database: Database, kept: Kept) -> int:
    """Delete what is older, the oldest first, a batch a transaction; how many rows those were.

    Raises UnavailableError.
    """
    table = kept.since.class_.__table__
    aged = (
        select(*table.primary_key)
        .where(kept.since < func.now() - kept.lifetime)
        .order_by(kept.since)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    statement = delete(table).where(tuple_(*table.primary_key).in_(aged))

    async def batch(database: Writer) -> int:
        return (await database.change(statement)).rowcount

    swept = 0
    while (count := await database.write(batch)) > 0:
        swept += count
        if count < BATCH:
            break
    return swept
