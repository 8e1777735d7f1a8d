"""What can be ordered, and the facts of its picture."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, Minor, UpdatedAt, Version, WithdrawnAt


class Category(Base):
    """A section of the menu."""

    __tablename__ = "categories"

    id: Mapped[Key]
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    position: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    version: Mapped[Version]
    withdrawn_at: Mapped[WithdrawnAt]

    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 120", name="name"),
        # One that was withdrawn makes room for another of its name.
        Index(
            "uq_categories_slug", "slug", unique=True, postgresql_where=text("withdrawn_at IS NULL")
        ),
    )


class Product(Base):
    """A dish of one cafeteria. `picture_version` names its picture's content, or is null."""

    __tablename__ = "products"

    id: Mapped[Key]
    cafeteria_id: Mapped[int] = mapped_column(ForeignKey("cafeterias.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    price_minor: Mapped[Minor]
    stock: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    is_available: Mapped[bool] = mapped_column(server_default=text("true"))
    picture_version: Mapped[str | None] = mapped_column(Text)
    # Names the upload, so that the original of one can be deleted while another is under way.
    picture_original: Mapped[str | None] = mapped_column(Text)
    picture_width: Mapped[int | None] = mapped_column(Integer)
    picture_height: Mapped[int | None] = mapped_column(Integer)
    picture_color: Mapped[str | None] = mapped_column(Text)
    picture_thumbhash: Mapped[str | None] = mapped_column(Text)
    # The sizes of the copies beside the original, as [[width, height], ...].
    picture_levels: Mapped[Any] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    picture_uploaded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[Version]
    withdrawn_at: Mapped[WithdrawnAt]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 160", name="name"),
        CheckConstraint("price_minor BETWEEN 0 AND 100000000", name="price"),
        CheckConstraint("stock >= 0", name="never_oversold"),
        # So whoever sells has one thing to look at.
        CheckConstraint("withdrawn_at IS NULL OR NOT is_available", name="withdrawn_is_off"),
        CheckConstraint(
            "num_nulls(picture_version, picture_original, picture_width, picture_height,"
            " picture_uploaded_at) IN (0, 5)"
            " AND (picture_version IS NULL OR picture_width > 0 AND picture_height > 0)",
            name="picture_is_whole",
        ),
        Index("ix_products_category_id", "category_id", "id"),
        Index("ix_products_cafeteria_id", "cafeteria_id", "id"),
    )
