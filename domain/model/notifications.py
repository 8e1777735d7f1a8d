"""What a person is told, and the devices that it is pushed to."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, words


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


class Platform(StrEnum):
    """What an installation of the app runs on."""

    ANDROID = "android"
    IOS = "ios"
    WEB = "web"


class Device(Base):
    """An installation of the app; `token` is the registration token that FCM gave it."""

    __tablename__ = "devices"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    token: Mapped[str] = mapped_column(Text)
    platform: Mapped[Platform] = mapped_column(words(Platform, "platform"))
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]

    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("length(token) BETWEEN 1 AND 1024", name="token"),
        Index("ix_devices_user_id_last_seen_at", "user_id", text("last_seen_at DESC")),
    )


class PushDelivery(Base):
    """A notification that a device needs no more: it was pushed there, or FCM will not take it."""

    __tablename__ = "push_deliveries"

    notification_id: Mapped[int] = mapped_column(
        ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True
    )
    device_id: Mapped[int] = mapped_column(
        ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True
    )
    settled_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("now()")
    )

    # What is long past is looked for by device, and so is what goes with one.
    __table_args__ = (Index("ix_push_deliveries_device_id_settled_at", "device_id", "settled_at"),)
