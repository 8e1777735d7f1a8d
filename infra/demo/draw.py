"""Draws the demo's pictures and puts them where uploads go."""

import random

from sqlalchemy import select

from domain import model
from domain.catalogue import Catalogue
from domain.database import Database, Role
from imaging.facts import facts
from imaging.intake import shelve
from imaging.pyramid import levels
from imaging.shelves import Shelves
from infra.demo.pictures import draw_jpeg

# As phones and cameras take them: mostly four megapixels, some twelve, some upright.
SIZES = ((2400, 1800),) * 14 + ((1800, 2400),) * 4 + ((4000, 3000),) * 2


async def draw_missing(
    database: Database, shelves: Shelves, share: int = 0, of: int = 1, most: int | None = None
) -> int:
    """Draw, store and record the missing pictures; how many it was.

    Of these every `of`-th from the `share`-th on, and the first `most` only. What a killed
    process left undone is simply still missing for the next.
    """
    missing = (
        select(model.Product.id, model.Category.slug)
        .join(model.Category, model.Category.id == model.Product.category_id)
        .where(model.Product.picture_version.is_(None), model.Product.id % of == share)
        .order_by(model.Product.id)
        .limit(most)
    )
    rows = await database.rows(Role.PRIMARY, missing)
    for product_id, slug in rows:
        width, height = random.Random(product_id).choice(SIZES)
        body = draw_jpeg(slug, product_id, (width, height))
        picture = await shelve(shelves, product_id, body, facts(body), levels(body))
        await Catalogue(database).hang(product_id, picture)
    return len(rows)
