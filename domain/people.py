"""Whether a person may act at this moment."""

from typing import Final

from sqlalchemy import BigInteger, bindparam, select

from domain import model
from domain.database import Writer
from domain.errors import ForbiddenError

# Built once, for building takes longer than running.
_IS_ACTIVE: Final = (
    select(model.User.is_active)
    .where(model.User.id == bindparam("person", type_=BigInteger))
    .with_for_update(read=True)
)


async def must_be_active(database: Writer, user_id: int) -> None:
    """Keep the account active until the transaction ends. Raises ForbiddenError if it is not.

    An access token may outlive its account by minutes; what moves money looks here.
    """
    if not await database.scalar(_IS_ACTIVE, {"person": user_id}):
        raise ForbiddenError("This account is not active.")
