"""What the running system keeps for itself: its configuration and its outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, UpdatedAt, Version


class Configuration(Base):
    """A named value that an administrator may change while the system runs."""

    __tablename__ = "configuration"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    version: Mapped[Version]
    updated_at: Mapped[UpdatedAt]


class OutboxEvent(Base):
    """A change that others must hear of, written in the transaction that made it."""

    __tablename__ = "outbox"

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(Text)
    payload: Mapped[Any] = mapped_column(JSONB)
    cache_tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    # Until then it is its writer's, or whoever's has taken it.
    due_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("now() + interval '30 seconds'")
    )
    delivered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # By which what is new is found: ids and moments are given long before a commit.
    transaction: Mapped[int | None] = mapped_column(
        BigInteger, server_default=text("pg_current_xact_id()::text::bigint")
    )
    # Of what made the change, where that is traced (W3C).
    traceparent: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_outbox_transaction", "transaction", postgresql_where=text("cache_tags <> '{}'")),
        Index("ix_outbox_created_at", "created_at", postgresql_where=text("cache_tags <> '{}'")),
        Index("ix_outbox_due", "kind", "due_at", postgresql_where=text("delivered_at IS NULL")),
        # The oldest are swept.
        Index(
            "ix_outbox_delivered_at",
            "delivered_at",
            postgresql_where=text("delivered_at IS NOT NULL"),
        ),
    )
