"""Money: a balance for everyone and the append-only ledger that explains it."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, Minor, UpdatedAt, words


class TransactionKind(StrEnum):
    """Why money moved."""

    TOP_UP = "top_up"
    PAYMENT = "payment"
    REFUND = "refund"


class Wallet(Base):
    """The balance of one person: always the sum of their transactions, never below zero."""

    __tablename__ = "wallets"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    balance_minor: Mapped[Minor] = mapped_column(server_default=text("0"))
    updated_at: Mapped[UpdatedAt]

    __table_args__ = (CheckConstraint("balance_minor >= 0", name="never_negative"),)


class Transaction(Base):
    """A line of the ledger: positive into the wallet, negative out of it. Never changed."""

    __tablename__ = "transactions"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[TransactionKind] = mapped_column(words(TransactionKind, "kind"))
    amount_minor: Mapped[Minor]
    reference: Mapped[str | None] = mapped_column(Text, unique=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'payment' THEN amount_minor < 0 ELSE amount_minor > 0 END",
            name="sign_follows_kind",
        ),
        CheckConstraint("kind = 'top_up' OR order_id IS NOT NULL", name="order_is_known"),
        Index(
            "ix_transactions_user_id_created_at",
            "user_id",
            text("created_at DESC"),
            text("id DESC"),
        ),
        Index(
            "ix_transactions_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")
        ),
    )
