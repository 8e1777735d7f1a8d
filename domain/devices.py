"""The devices that people have their notifications pushed to."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import model
from domain.accounts import Principal
from domain.database import Database, Writer
from domain.errors import NotFoundError
from domain.model import Platform

MOST_DEVICES: Final = 10


class Device(Struct, frozen=True):
    """A registered device. Its token stays here: who has it can push to it."""

    id: int
    platform: Platform
    created_at: datetime
    last_seen_at: datetime


class Devices:
    """One's own devices, MOST_DEVICES at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, caller: Principal, token: str, platform: Platform) -> Device:
        """Push to this device from now on; it was seen at this moment.

        A token is one installation: where somebody else logged in on it before, it is theirs no
        more. Of too many devices, those go that were not seen for the longest time.
        """
        new = insert(model.Device).values(user_id=caller.id, token=token, platform=platform)
        kept = new.on_conflict_do_update(
            index_elements=[model.Device.token],
            set_={
                "user_id": new.excluded.user_id,
                "platform": new.excluded.platform,
                "last_seen_at": func.now(),
            },
        ).returning(
            model.Device.id,
            model.Device.platform,
            model.Device.created_at,
            model.Device.last_seen_at,
        )
        newest = (
            select(model.Device.id)
            .where(model.Device.user_id == caller.id)
            .order_by(model.Device.last_seen_at.desc(), model.Device.id.desc())
            .limit(MOST_DEVICES)
        )
        surplus = delete(model.Device).where(
            model.Device.user_id == caller.id, model.Device.id.not_in(newest)
        )
        # One registration of a person after another, or each would count without the others'.
        alone = (
            select(model.User.id).where(model.User.id == caller.id).with_for_update(key_share=True)
        )

        async def change(database: Writer) -> Device:
            await database.execute(alone)
            row = (await database.change(kept)).one()
            await database.change(surplus)
            return Device(*row)

        return await self._database.write(change, by=[caller.id])

    async def forget(self, caller: Principal, device_id: int) -> None:
        """Push no more to a device of the caller's. Raises NotFoundError."""
        gone = delete(model.Device).where(
            model.Device.id == device_id, model.Device.user_id == caller.id
        )

        async def change(database: Writer) -> None:
            if not (await database.change(gone)).rowcount:
                raise NotFoundError("device", device_id)

        await self._database.write(change, by=[caller.id])
