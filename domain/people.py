"""Whether a person may act at this moment."""

from typing import Final

from sqlalchemy import BigInteger, bindparam, select

from domain import model
from domain.database import Writer
from domain.errors import ForbiddenError

# Built once, for building takes longer than running.
_PERSON: Final = model.User.id == bindparam("person", type_=BigInteger)
_IS_ACTIVE: Final = select(model.User.is_active).where(_PERSON).with_for_update(read=True)
ACTIVE: Final = (
    select(model.User.id).where(_PERSON, model.User.is_active).with_for_update(read=True)
).cte("active")
"""The same in a statement that does more: the account of `person` if it is active, kept so."""


async def must_be_active(database: Writer, user_id: int) -> None:
    """Keep the account active until the transaction ends. Raises ForbiddenError if it is not.

    An access token may outlive its account by minutes; what moves money looks here.
    """
    if not await database.scalar(_IS_ACTIVE, {"person": user_id}):
        raise ForbiddenError("This account is not active.")
