"""The materialised view of what is sold by day and product, and who makes it anew each hour."""

import asyncio
import logging
import random
from datetime import timedelta
from typing import Final

from sqlalchemy import BigInteger, Date, Select, column, func, select, table, text
from sqlalchemy.dialects.postgresql import insert

from domain.background import Background
from domain.database import Database, Writer
from domain.errors import UnavailableError
from domain.model import Configuration
from domain.trace import Spans, untold

log = logging.getLogger(__name__)

SALES: Final = table(
    "product_sales_daily",
    column("day", Date),
    column("cafeteria_id", BigInteger),
    column("product_id", BigInteger),
    column("portions", BigInteger),
    column("revenue_minor", BigInteger),
)
PERIOD: Final = timedelta(hours=1)
# Seconds between two looks at whether it is time.
POLL: Final = 300.0
# Seconds after the start of a process: what is served first has the machine to itself.
_FIRST: Final = 20.0
# Any constant will do: "sales" in hexadecimal.
LOCK: Final = 0x73616C6573
# Behind PgBouncer a session's timeout is the role's, and meant for what people wait for.
_PATIENCE: Final = text("SET LOCAL statement_timeout = '300s'")
_REFRESH: Final = text("REFRESH MATERIALIZED VIEW CONCURRENTLY product_sales_daily")


def refreshed_at() -> Select[*tuple[object, ...]]:
    """The moment that the view is of, where it was ever made anew."""
    return select(Configuration.updated_at).where(Configuration.key == SALES.name)


class ProductSales(Background):
    """Makes the view anew when it is an hour old, in one process of all at a time.

    `database` is one whose statements may take minutes.
    """

    def __init__(self, database: Database, spans: Spans = untold) -> None:
        self._database = database
        self._spans = spans

    async def refresh(self, *, older_than: timedelta = PERIOD) -> bool:
        """Make it anew where it is older; whether this process did. Raises UnavailableError."""
        fresh = refreshed_at().where(Configuration.updated_at > func.now() - older_than)
        # The beginning of the transaction: what is written after it may not be in the view.
        noted = insert(Configuration).values(key=SALES.name, value={}, updated_at=func.now())
        noted = noted.on_conflict_do_update(
            index_elements=[Configuration.key], set_={"updated_at": func.now()}
        )

        async def work(writer: Writer) -> bool:
            if not await writer.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
                return False
            if await writer.scalar(fresh) is not None:
                return False
            with self._spans(f"refresh {SALES.name}", None):
                await writer.change(_PATIENCE)
                await writer.change(_REFRESH)
                await writer.change(noted)
            return True

        return await self._database.write(work)

    async def _run(self) -> None:
        pause = _FIRST
        while True:
            # Not all processes at the same moment.
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = POLL
            try:
                await self.refresh()
            except UnavailableError as error:
                log.warning("the sales stay as they are: %s", error)
            except Exception:
                log.exception("the sales were not made anew")
