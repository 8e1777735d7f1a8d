"""Topping up a wallet: in cash at the counter, or through the payment provider."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from domain import model, wallet
from domain.accounts import Principal
from domain.database import Database, Reader, Writer
from domain.database import Role as Node
from domain.errors import ForbiddenError, InFlightError, InvalidError, NotFoundError
from domain.events import Event, Outbox
from domain.idempotency import Once, once
from domain.model import PaymentStatus, Role
from domain.model.paging import Position, Stretch
from domain.model.selection import Selection
from domain.people import must_be_active
from domain.provider import PaymentProvider, ProviderError
from domain.timeline import Part, Timeline

log = logging.getLogger(__name__)

STARTED: Final = "payment:started"
SETTLED: Final = "payment:settled"
LEAST_MINOR: Final = 100
MOST_MINOR: Final = 50_000
# Seconds that somebody waits for the provider; the outbox has more.
PATIENCE: Final = 10.0

_COLUMNS: Final = (
    model.Payment.id,
    model.Payment.user_id,
    model.Payment.amount_minor,
    model.Payment.status,
    model.Payment.decline_reason,
    model.Payment.created_at,
    model.Payment.settled_at,
)


class Payment(Struct, frozen=True):
    """Money on its way into a wallet (minor units), and whether it came."""

    id: int
    user_id: int
    amount_minor: int
    status: PaymentStatus
    decline_reason: str | None
    created_at: datetime
    settled_at: datetime | None


class Wanted(Struct, frozen=True):
    """Which of one's payments; what is not said, any."""

    status: PaymentStatus | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


ANY: Final = Wanted()
_OWN: Final = Timeline(
    {column.key: column.expression for column in _COLUMNS},
    {
        "owner": model.Payment.user_id == bindparam("owner", type_=BigInteger),
        "status": model.Payment.status == bindparam("status", type_=model.Payment.status.type),
        "created_from": model.Payment.created_at
        >= bindparam("created_from", type_=DateTime(timezone=True)),
        "created_to": model.Payment.created_at
        < bindparam("created_to", type_=DateTime(timezone=True)),
    },
)


class _Started(Struct, frozen=True):
    """What is kept of a top-up by its key: the payment, and the event that finishes it."""

    payment_id: int
    event_id: int


class Payments:
    """Top-ups, each of them once a key."""

    def __init__(self, database: Database, outbox: Outbox, provider: PaymentProvider) -> None:
        self._database = database
        self._outbox = outbox
        self._provider = provider

    async def detail(self, caller: Principal, payment_id: int) -> Payment:
        """A payment of the caller's, or one they took; any for an administrator. Raises
        NotFoundError."""

        async def read(database: Reader) -> Payment:
            return await _payment(database, payment_id, _visible_to(caller))

        return await self._database.read(Node.MENU, read, of=caller.id)

    async def listed(
        self, caller: Principal, selection: Selection, part: Part, wanted: Wanted = ANY
    ) -> Stretch[Sequence[Any], Position]:
        """The caller's own, the newest first."""
        given = {"owner": caller.id, **msgspec.structs.asdict(wanted)}
        given = {name: value for name, value in given.items() if value is not None}

        async def read(database: Reader) -> Stretch[Sequence[Any], Position]:
            return await _OWN.read(database, selection, part, given)

        return await self._database.read(Node.MENU, read, of=caller.id)

    async def take_cash(
        self, caller: Principal, user_id: int, amount_minor: int, request: Once
    ) -> Payment:
        """Put cash that a member of staff was given into somebody's wallet.

        Raises ForbiddenError, InvalidError, NotFoundError, and what `once` raises.
        """
        if caller.role is Role.CUSTOMER or caller.id == user_id:
            raise ForbiddenError("Cash is taken by the counter, and nobody takes their own.")
        _must_be_bounded(amount_minor)

        async def change(database: Writer) -> Payment:
            await must_be_active(database, caller.id)
            return await once(database, request, Payment, lambda: take(database))

        async def take(database: Writer) -> Payment:
            known = select(model.User.id).where(model.User.id == user_id, model.User.is_active)
            if await database.scalar(known) is None:
                raise NotFoundError("person", user_id)
            taken = await database.change(
                insert(model.Payment)
                .values(
                    user_id=user_id,
                    taken_by=caller.id,
                    amount_minor=amount_minor,
                    status=PaymentStatus.SUCCEEDED,
                    settled_at=func.now(),
                )
                .returning(*_COLUMNS)
            )
            return await _settled(database, Payment(*taken.one()))

        return await self._database.write(change, by=[caller.id, user_id])

    async def top_up(self, caller: Principal, amount_minor: int, request: Once) -> Payment:
        """Charge the caller's card. A provider that does not answer leaves the payment pending,
        and the outbox sees to it.

        Raises InvalidError, ForbiddenError, and what `once` raises: InFlightError also while the
        payment is pending.
        """
        _must_be_bounded(amount_minor)
        fresh = False

        async def change(database: Writer) -> _Started:
            nonlocal fresh
            fresh = False
            await must_be_active(database, caller.id)
            return await once(database, request, _Started, lambda: start(database))

        async def start(database: Writer) -> _Started:
            nonlocal fresh
            started = await database.change(
                insert(model.Payment)
                # A key of its own, for the caller's may come again after it was swept.
                .values(user_id=caller.id, amount_minor=amount_minor, provider_key=str(uuid4()))
                .returning(model.Payment.id)
            )
            payment_id = started.scalar_one()
            event_id = await database.announce(
                STARTED, {"paymentId": payment_id, "userId": caller.id}
            )
            fresh = True
            return _Started(payment_id, event_id)

        started = await self._database.write(change, by=[caller.id])
        if fresh:
            return await self._finish(started)
        payment = await self._now(started.payment_id)
        if payment.status is PaymentStatus.PENDING:
            raise InFlightError
        return payment

    async def see_to(self, event: Event) -> None:
        """Finish what a crash, or a provider that did not answer, left pending."""
        await self._settle(event.payload["paymentId"])

    async def _finish(self, started: _Started) -> Payment:
        try:
            async with asyncio.timeout(PATIENCE):
                payment = await self._settle(started.payment_id)
        except (ProviderError, TimeoutError) as error:
            log.warning("payment %d is pending: %r", started.payment_id, error)
            return await self._now(started.payment_id)
        await self._outbox.delivered(started.event_id)
        return payment

    async def _settle(self, payment_id: int) -> Payment:
        """Ask the provider, in no transaction; then note what it says, once."""
        found = await self._database.rows(
            Node.PRIMARY,
            select(
                model.Payment.status, model.Payment.provider_key, model.Payment.amount_minor
            ).where(model.Payment.id == payment_id),
        )
        status, key, amount_minor = found[0]
        if status is not PaymentStatus.PENDING or key is None:
            return await self._now(payment_id)
        charge = await self._provider.charge(key, amount_minor)
        status = PaymentStatus.DECLINED if charge.decline else PaymentStatus.SUCCEEDED
        concerned: list[int] = []

        async def settle(database: Writer) -> Payment:
            settled = await database.change(
                update(model.Payment)
                .where(
                    model.Payment.id == payment_id,
                    model.Payment.status == PaymentStatus.PENDING,
                )
                .values(
                    status=status,
                    decline_reason=charge.decline,
                    provider_reference=charge.reference,
                    settled_at=func.now(),
                )
                .returning(*_COLUMNS)
            )
            row: Any = settled.one_or_none()
            if row is None:
                # Another process was faster, with the same answer.
                return await _payment(database, payment_id, true())
            payment = Payment(*row)
            concerned.append(payment.user_id)
            return await _settled(database, payment)

        return await self._database.write(settle, by=concerned)

    async def _now(self, payment_id: int) -> Payment:
        async def read(database: Reader) -> Payment:
            return await _payment(database, payment_id, true())

        return await self._database.read(Node.PRIMARY, read)


async def _settled(database: Writer, payment: Payment) -> Payment:
    """The money of a payment that succeeded, in the transaction that says so."""
    if payment.status is PaymentStatus.SUCCEEDED:
        await wallet.top_up(database, payment.user_id, payment.id, payment.amount_minor)
    await database.announce(
        SETTLED,
        {"paymentId": payment.id, "userId": payment.user_id, "status": payment.status.value},
        is_record=True,
    )
    return payment


async def _payment(database: Reader, payment_id: int, visible: ColumnElement[bool]) -> Payment:
    found = await database.execute(select(*_COLUMNS).where(model.Payment.id == payment_id, visible))
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("payment", payment_id)
    return Payment(*row)


def _visible_to(caller: Principal) -> ColumnElement[bool]:
    if caller.role is Role.ADMIN:
        return true()
    return or_(model.Payment.user_id == caller.id, model.Payment.taken_by == caller.id)


def _must_be_bounded(amount_minor: int) -> None:
    if not LEAST_MINOR <= amount_minor <= MOST_MINOR:
        raise InvalidError("A top-up is from 1.00 to 500.00.")
