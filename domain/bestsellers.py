"""What people order most, for who does not know yet what they want."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from domain import kinds, model
from domain.cache import Cache
from domain.database import Database, Fence, Reader, Role
from domain.menu import Menu
from domain.model.menu import Product
from domain.product_sales import SALES

PERIOD: Final = timedelta(days=7)
# More than are ever shown, for some are sold out.
MOST: Final = 50


class Bestsellers:
    """Of the sales as they are added up each hour; what there is of it now is of this moment."""

    def __init__(self, database: Database, cache: Cache, menu: Menu) -> None:
        self._database = database
        self._cache = cache
        self._menu = menu

    async def top(self, limit: int) -> list[Product]:
        """What can be had, by how many portions were sold in the last PERIOD, the most first."""
        ids = await self._cache.get(kinds.BESTSELLERS, None, self._read) or []
        products = await self._menu.several(ids)
        return [each for each in products if each.is_available and each.stock][:limit]

    async def _read(
        self, keys: Sequence[None], fence: Fence
    ) -> tuple[dict[None, list[int]], Fence]:
        since = (datetime.now(UTC) - PERIOD).date()
        statement = (
            select(SALES.c.product_id)
            .join(model.Product, model.Product.id == SALES.c.product_id)
            .where(SALES.c.day >= since, model.Product.withdrawn_at.is_(None))
            .group_by(SALES.c.product_id)
            .order_by(func.sum(SALES.c.portions).desc(), SALES.c.product_id)
            .limit(MOST)
        )

        async def read(database: Reader) -> dict[None, list[int]]:
            ids = [row[0] for row in await database.execute(statement)]
            # Where nothing is sold yet, it is asked again soon.
            return dict.fromkeys(keys, ids) if ids else {}

        return await self._database.snapshot(Role.MENU, read, fence)
