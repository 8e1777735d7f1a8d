"""What a person is told."""

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key


class Notification(Base):
    """A message to one person, about an order where `order_id` says so."""

    __tablename__ = "notifications"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    is_read: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        Index(
            "ix_notifications_user_id_created_at",
            "user_id",
            text("created_at DESC"),
            text("id DESC"),
        ),
        # The badge on the bell counts these; what was read leaves the index.
        Index("ix_notifications_unread", "user_id", postgresql_where=text("NOT is_read")),
    )
