"""An order: what was asked for, what it costs, and the states it may pass through."""

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, Minor, UpdatedAt, words
from domain.model.pickup import ALPHABET


class OrderStatus(StrEnum):
    """Where an order is between the phone and the counter."""

    CREATED = "created"
    ACCEPTED = "accepted"
    PREPARING = "preparing"
    READY = "ready"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    def may_become(self, status: "OrderStatus") -> bool:
        """Whether the move is legal; the database's trigger holds the same table."""
        return status in TRANSITIONS[self]


# The counter may reject what it has not accepted; food on the tray is no longer cancelled.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.CREATED: frozenset(
        {OrderStatus.ACCEPTED, OrderStatus.REJECTED, OrderStatus.CANCELLED}
    ),
    OrderStatus.ACCEPTED: frozenset({OrderStatus.PREPARING, OrderStatus.CANCELLED}),
    OrderStatus.PREPARING: frozenset({OrderStatus.READY, OrderStatus.CANCELLED}),
    OrderStatus.READY: frozenset({OrderStatus.DELIVERED}),
    OrderStatus.DELIVERED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
}
# Characters of why an order came to nothing.
MOST_REASON: Final = 200
# Still on its way.
_ACTIVE = text("status IN ('created', 'accepted', 'preparing', 'ready')")


class Order(Base):
    """An order of one person at one cafeteria; `version` grows by one at each change."""

    __tablename__ = "orders"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    cafeteria_id: Mapped[int] = mapped_column(ForeignKey("cafeterias.id"))
    status: Mapped[OrderStatus] = mapped_column(
        words(OrderStatus, "status"), server_default=OrderStatus.CREATED.value
    )
    total_minor: Mapped[Minor]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    # None where it is older than codes are.
    pickup_code: Mapped[str | None] = mapped_column(Text)
    # Why it came to nothing, in the words of who saw to that.
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    # The number of the transaction that changed it last; None where that is longer ago than it is
    # asked for. A trigger sees to it.
    changed_in: Mapped[int | None] = mapped_column(
        BigInteger, server_default=text("pg_current_xact_id()::text::bigint")
    )

    __table_args__ = (
        CheckConstraint("total_minor >= 0", name="total"),
        CheckConstraint(f"pickup_code ~ '^[{ALPHABET}]{{3,5}}$'", name="pickup_code"),
        CheckConstraint(
            f"reason IS NULL OR length(reason) BETWEEN 1 AND {MOST_REASON}"
            f" AND status IN ('{OrderStatus.CANCELLED}', '{OrderStatus.REJECTED}')",
            name="reason",
        ),
        # A person's history, page by page and by status, without touching the table: it serves
        # (user_id) and (user_id, status) as well (docs/database.md).
        Index(
            "ix_orders_user_id_created_at",
            "user_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_include=["status", "total_minor"],
        ),
        Index("ix_orders_created_at", text("created_at DESC"), text("id DESC")),
        # The counter's list: its pages, and their total without touching the table.
        Index(
            "ix_orders_cafeteria_id_created_at",
            "cafeteria_id",
            text("created_at DESC"),
            text("id DESC"),
        ),
        # What is new to whoever was away.
        Index(
            "ix_orders_changed_in",
            "changed_in",
            "id",
            postgresql_where=text("changed_in IS NOT NULL"),
        ),
        # The counter's board: only what is still being worked on, so it stays tiny.
        Index(
            "ix_orders_active",
            "cafeteria_id",
            "created_at",
            postgresql_where=_ACTIVE,
        ),
        # Two trays at a counter are never called up alike.
        Index(
            "uq_orders_pickup_code",
            "cafeteria_id",
            "pickup_code",
            unique=True,
            postgresql_where=_ACTIVE,
        ),
    )


class OrderItem(Base):
    """One product of an order at the price of that moment."""

    __tablename__ = "order_items"

    # The key is the index "items by order", and keeps a product to one line an order.
    order_id: Mapped[int] = mapped_column(
        ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True
    )
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(SmallInteger)
    unit_price_minor: Mapped[Minor]

    __table_args__ = (
        CheckConstraint("quantity BETWEEN 1 AND 99", name="quantity"),
        CheckConstraint("unit_price_minor >= 0", name="unit_price"),
    )
