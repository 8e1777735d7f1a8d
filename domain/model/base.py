"""What every table shares: names of constraints, keys, instants and closed sets of words."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Enum, Identity, Integer, MetaData, func, text
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Base(DeclarativeBase):
    """The declarative base; its naming convention lets a migration name any constraint."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# GENERATED ALWAYS: an id comes from the sequence, never from a caller.
Key = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
# Money is a whole number of minor units (cents); a float never touches it.
Minor = Annotated[int, mapped_column(BigInteger)]
CreatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), nullable=False)
]
UpdatedAt = Annotated[
    datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), nullable=False)
]


# Grows by one at each change, by whomever: triggers see to it where a change does not.
Version = Annotated[int, mapped_column(Integer, server_default=text("1"))]
# What is deleted is in no list any more, but what was ordered of it still refers to it.
WithdrawnAt = Annotated[datetime | None, mapped_column(DateTime(timezone=True))]


def words(kind: type[StrEnum], name: str) -> Enum:
    """A text column that a CHECK keeps within `kind`; cheaper to change than a native enum."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )
