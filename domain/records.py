"""Who changed what, for whoever asks afterwards: in the outbox, in the transaction that did it."""

from collections.abc import Iterable
from typing import Final

from domain.accounts import Principal
from domain.database import Writer

CHANGED: Final = "record:changed"


async def record(
    database: Writer, caller: Principal, subject: str, version: int, fields: Iterable[str]
) -> None:
    """Keep who made this `version` of a `subject` ("product-42"), and of which fields."""
    told = {"subject": subject, "version": version, "by": caller.id, "fields": sorted(fields)}
    await database.announce(CHANGED, told, is_record=True)
