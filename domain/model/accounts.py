"""People: who they are, what they may do, and how they prove it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, Version, words


class Role(StrEnum):
    """What a person may do: order; run a counter; run the campus."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


class User(Base):
    """A person with an account. `password_hash` is a PHC string (Argon2id)."""

    __tablename__ = "users"

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[Role] = mapped_column(words(Role, "role"), server_default=Role.CUSTOMER.value)
    cafeteria_id: Mapped[int | None] = mapped_column(ForeignKey("cafeterias.id"))
    password_hash: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[Version]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # An address is one person whatever the case it was typed in.
        Index("uq_users_email", func.lower(email), unique=True),
        CheckConstraint("email LIKE '%_@_%' AND length(email) <= 254", name="email"),
        CheckConstraint("length(name) BETWEEN 1 AND 120", name="name"),
        CheckConstraint("role <> 'staff' OR cafeteria_id IS NOT NULL", name="staff_has_a_counter"),
    )


class Session(Base):
    """A login on one device, and the refresh tokens that descend from it: hashes (SHA-256) of the
    newest and of the one that it replaced, which makes it again with the salt."""

    __tablename__ = "sessions"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    family_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    replaced_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    replaced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    device: Mapped[str | None] = mapped_column(Text)
    user_agent: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(
            "octet_length(family_hash) = 32 AND octet_length(token_hash) = 32"
            " AND octet_length(replaced_hash) = 32 AND octet_length(salt) = 32",
            name="hashes",
        ),
        CheckConstraint(
            "num_nulls(replaced_hash, salt, replaced_at) IN (0, 3)", name="replaced_is_whole"
        ),
        CheckConstraint("replaced_hash <> token_hash", name="replaced_is_another"),
        CheckConstraint("length(device) BETWEEN 1 AND 80", name="device"),
        CheckConstraint("length(user_agent) BETWEEN 1 AND 256", name="user_agent"),
        CheckConstraint("expires_at > created_at", name="expires"),
    )
