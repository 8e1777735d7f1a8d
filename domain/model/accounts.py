"""People: who they are, what they may do, and how they prove it."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, words


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
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # An address is one person whatever the case it was typed in.
        Index("uq_users_email", func.lower(email), unique=True),
        CheckConstraint("email LIKE '%_@_%' AND length(email) <= 254", name="email"),
        CheckConstraint("length(name) BETWEEN 1 AND 120", name="name"),
        CheckConstraint("role <> 'staff' OR cafeteria_id IS NOT NULL", name="staff_has_a_counter"),
    )
