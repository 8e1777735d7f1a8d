"""Money: a balance for everyone and the append-only ledger that explains it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, text
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
        # The whole ledger, and of it a counter's.
        Index("ix_transactions_created_at", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_transactions_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")
        ),
    )


class PaymentStatus(StrEnum):
    """Whether money came from outside: not known yet, yes, or no."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


class Payment(Base):
    """Money on its way into a wallet: in cash, `taken_by` somebody, or through the provider, which
    knows it by `provider_key`. When it succeeds the ledger has a line "top-up:{id}"."""

    __tablename__ = "payments"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    taken_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    amount_minor: Mapped[Minor]
    status: Mapped[PaymentStatus] = mapped_column(
        words(PaymentStatus, "status"), server_default=PaymentStatus.PENDING.value
    )
    decline_reason: Mapped[str | None] = mapped_column(Text)
    provider_key: Mapped[str | None] = mapped_column(Text, unique=True)
    provider_reference: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint(
            "(status = 'declined') = (decline_reason IS NOT NULL)", name="declined_for_a_reason"
        ),
        CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name="settled_or_pending"),
        CheckConstraint("num_nulls(taken_by, provider_key) = 1", name="cash_or_provider"),
        Index("ix_payments_created_at", "created_at"),
        Index(
            "ix_payments_user_id_created_at",
            "user_id",
            text("created_at DESC"),
            text("id DESC"),
        ),
    )
