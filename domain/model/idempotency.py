"""What was answered to a request that is to be done once."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt


class IdempotencyKey(Base):
    """A key of one person, the SHA-256 of what it came with, and what was answered (JSON)."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    scope: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("length(key) BETWEEN 1 AND 128", name="key"),
        CheckConstraint("length(digest) = 32", name="digest"),
        # The oldest are swept.
        Index("ix_idempotency_keys_created_at", "created_at"),
    )
