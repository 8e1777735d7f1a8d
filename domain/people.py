"""Whether a person may act at this moment."""

from sqlalchemy import select

from domain import model
from domain.database import Writer
from domain.errors import ForbiddenError


async def must_be_active(database: Writer, user_id: int) -> None:
    """Keep the account active until the transaction ends. Raises ForbiddenError if it is not.

    An access token may outlive its account by minutes; what moves money looks here.
    """
    statement = (
        select(model.User.is_active).where(model.User.id == user_id).with_for_update(read=True)
    )
    if not await database.scalar(statement):
        raise ForbiddenError("This account is not active.")
