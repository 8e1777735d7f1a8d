"""Money: balances, and the append-only ledger that explains them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    DateTime,
    Insert,
    bindparam,
    func,
    insert,
    join,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from domain import model
from domain.accounts import Principal
from domain.database import Database, Reader, Writer
from domain.database import Role as Node
from domain.errors import FundsError
from domain.model import PaymentStatus, Transaction, TransactionKind
from domain.model.paging import Position, Stretch
from domain.model.selection import Selection
from domain.timeline import Part, Timeline


class Statement(Struct, frozen=True):
    """What is in a wallet (minor units), and a part of how it came to that."""

    balance_minor: int
    lines: Stretch[Sequence[Any], Position]


class Lines(Struct, frozen=True):
    """Which lines of a ledger; what is not said, any."""

    kind: TransactionKind | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


ANY: Final = Lines()
_LINES: Final = Timeline(
    {
        "id": Transaction.id.expression,
        "kind": Transaction.kind.expression,
        "amount_minor": Transaction.amount_minor.expression,
        "order_id": Transaction.order_id.expression,
        "created_at": Transaction.created_at.expression,
    },
    {
        "owner": Transaction.user_id == bindparam("owner", type_=BigInteger),
        "kind": Transaction.kind == bindparam("kind", type_=Transaction.kind.type),
        "created_from": Transaction.created_at
        >= bindparam("created_from", type_=DateTime(timezone=True)),
        "created_to": Transaction.created_at
        < bindparam("created_to", type_=DateTime(timezone=True)),
    },
)

# Built once, for building takes longer than running.
_BALANCE: Final = select(model.Wallet.balance_minor).where(
    model.Wallet.user_id == bindparam("owner", type_=BigInteger)
)


class Wallets:
    """What people see of their money."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def statement(
        self, caller: Principal, selection: Selection, part: Part, lines: Lines = ANY
    ) -> Statement:
        """The caller's balance, and a part of its lines, the newest first."""

        async def read(database: Reader) -> Statement:
            held = await database.scalar(_BALANCE, {"owner": caller.id})
            found = await _LINES.read(database, selection, part, _given(caller, lines))
            return Statement(held or 0, found)

        return await self._database.read(Node.MENU, read, of=caller.id)


def _given(caller: Principal, lines: Lines) -> dict[str, Any]:
    given = {"owner": caller.id, **msgspec.structs.asdict(lines)}
    return {name: value for name, value in given.items() if value is not None}


def paid(bill: CTE) -> CTE:
    """Take the `total` of a bill out of the wallet of `whose`, if there is as much in it."""
    return (
        update(model.Wallet)
        .where(
            model.Wallet.user_id == bill.c.whose,
            model.Wallet.balance_minor >= bill.c.total,
            bill.c.total > 0,
        )
        .values(balance_minor=model.Wallet.balance_minor - bill.c.total, updated_at=func.now())
        .returning(model.Wallet.user_id)
        .cte("paid")
    )


def line(paid: CTE, order: CTE) -> Insert:
    """The line of the ledger that says for which order was `paid`."""
    return insert(Transaction).from_select(
        ["user_id", "order_id", "kind", "amount_minor", "reference"],
        select(
            paid.c.user_id,
            order.c.id,
            literal(TransactionKind.PAYMENT, Transaction.kind.type),
            -order.c.total_minor,
            func.concat("payment:", order.c.id),
        ).select_from(paid.join(order, true())),
    )


async def must_suffice(database: Reader, user_id: int, total_minor: int) -> None:
    """Raises FundsError if there is less than that in a wallet."""
    balance = select(model.Wallet.balance_minor).where(model.Wallet.user_id == user_id)
    held = await database.scalar(balance) or 0
    if held < total_minor:
        raise FundsError(total_minor, held)


async def refund(database: Writer, user_id: int, order_id: int) -> int:
    """Give back what was paid for an order, once; how much that was (minor units)."""
    paid = select(-func.sum(Transaction.amount_minor)).where(
        Transaction.order_id == order_id, Transaction.user_id == user_id
    )
    amount = int(await database.scalar(paid) or 0)
    if amount > 0:
        await _credit(
            database, user_id, amount, TransactionKind.REFUND, f"refund:{order_id}", order_id
        )
    return amount


async def top_up(database: Writer, user_id: int, payment_id: int, amount_minor: int) -> None:
    """Put the money of a payment into a wallet, once."""
    reference = f"top-up:{payment_id}"
    await _credit(database, user_id, amount_minor, TransactionKind.TOP_UP, reference)


async def _credit(
    database: Writer,
    user_id: int,
    amount_minor: int,
    kind: TransactionKind,
    reference: str,
    order_id: int | None = None,
) -> None:
    # The reference is unique: whatever comes twice breaks off the second transaction.
    await database.change(
        insert(Transaction).values(
            user_id=user_id,
            order_id=order_id,
            kind=kind,
            amount_minor=amount_minor,
            reference=reference,
        )
    )
    credited = upsert(model.Wallet).values(user_id=user_id, balance_minor=amount_minor)
    await database.change(
        credited.on_conflict_do_update(
            index_elements=[model.Wallet.user_id],
            set_={
                "balance_minor": model.Wallet.balance_minor + credited.excluded.balance_minor,
                "updated_at": func.now(),
            },
        )
    )


class Audit(Struct, frozen=True):
    """What the ledger says of everybody at one instant (minor units). `differing` are people whose
    balance it does not explain: id, balance, and the sum of their lines."""

    wallets: int
    lines: int
    balances_minor: int
    ledger_minor: int
    unexplained_payments: int
    differing: list[tuple[int, int, int]]

    @property
    def is_sound(self) -> bool:
        return not self.differing and not self.unexplained_payments


# Of those who differ, how many are named.
MOST_NAMED: Final = 20


async def audit(database: Database) -> Audit:
    """Add the whole ledger up, each answer in one statement and so of one instant."""
    ledger = (
        select(
            Transaction.user_id,
            func.sum(Transaction.amount_minor).label("total"),
            func.count().label("lines"),
        )
        .group_by(Transaction.user_id)
        .subquery()
    )
    joined = join(model.Wallet, ledger, model.Wallet.user_id == ledger.c.user_id, full=True)
    balance = func.coalesce(model.Wallet.balance_minor, 0)
    total = func.coalesce(ledger.c.total, 0)
    sums = select(
        func.count(model.Wallet.user_id),
        func.coalesce(func.sum(ledger.c.lines), 0),
        func.coalesce(func.sum(balance), 0),
        func.coalesce(func.sum(total), 0),
    ).select_from(joined)
    differing = (
        select(func.coalesce(model.Wallet.user_id, ledger.c.user_id), balance, total)
        .select_from(joined)
        .where(balance != total)
        .limit(MOST_NAMED)
    )
    line = aliased(Transaction)
    unexplained = (
        select(func.count())
        .select_from(model.Payment)
        .outerjoin(line, line.reference == func.concat("top-up:", model.Payment.id))
        .where(
            (model.Payment.status == PaymentStatus.SUCCEEDED)
            != (func.coalesce(line.amount_minor, 0) == model.Payment.amount_minor)
        )
    )

    async def read(database: Reader) -> Audit:
        (wallets, lines, held, sum_) = (await database.execute(sums)).one()
        unexplained_payments = int(await database.scalar(unexplained))
        rows = await database.execute(differing)
        return Audit(
            wallets,
            int(lines),
            int(held),
            int(sum_),
            unexplained_payments,
            [(user_id, int(balance), int(total)) for user_id, balance, total in rows],
        )

    return await database.read(Node.PRIMARY, read)
