"""Where food is served, and when, in the wall time of the place itself."""

from datetime import date, time

from sqlalchemy import (
    CheckConstraint,
    Computed,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    Time,
    text,
)
from sqlalchemy.dialects.postgresql import (
    INT4MULTIRANGE,
    INT4RANGE,
    ExcludeConstraint,
    Range,
)
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import Mapped, mapped_column

from domain.model.base import Base, CreatedAt, Key, Version, WithdrawnAt

# [start, end) in minutes of the ISO week. An interval that closes at or before the time it opens
# runs into the next day; what of Sunday's runs past the week's end is Monday morning.
# Spelled as PostgreSQL prints it, or a comparison of models and schema sees a difference.
MINUTES_OF_WEEK = """
int4multirange(VARIADIC ARRAY[
    int4range(
        (weekday - 1) * 1440 + (extract(epoch FROM opens_at) / 60::numeric)::integer,
        least(10080, (weekday - 1) * 1440 + (extract(epoch FROM closes_at) / 60::numeric)::integer
            + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END)
    ),
    int4range(
        0,
        greatest(0, (weekday - 1) * 1440 + (extract(epoch FROM closes_at) / 60::numeric)::integer
            + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END - 10080)
    )
])
"""
# The same of one date; a closed day takes all of it, so that nothing else fits beside it.
MINUTES_OF_DATE = """
CASE WHEN opens_at IS NULL THEN int4range(0, 2880) ELSE int4range(
    (extract(epoch FROM opens_at) / 60::numeric)::integer,
    (extract(epoch FROM closes_at) / 60::numeric)::integer
        + CASE WHEN closes_at <= opens_at THEN 1440 ELSE 0 END
) END
"""
WHOLE_MINUTES = (
    "opens_at < '24:00' AND closes_at < '24:00'"
    " AND extract(second FROM opens_at) = 0 AND extract(second FROM closes_at) = 0"
)


class Cafeteria(Base):
    """A counter on the campus; `time_zone` is an IANA name."""

    __tablename__ = "cafeterias"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    last_order_minutes: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    created_at: Mapped[CreatedAt]
    # Of its hours too.
    version: Mapped[Version]
    withdrawn_at: Mapped[WithdrawnAt]

    __table_args__ = (
        Index(
            "uq_cafeterias_name", "name", unique=True, postgresql_where=text("withdrawn_at IS NULL")
        ),
        CheckConstraint("length(name) BETWEEN 1 AND 120", name="name"),
        CheckConstraint("last_order_minutes BETWEEN 0 AND 240", name="last_order_minutes"),
    )


class OpeningInterval(Base):
    """One interval of the week. Two of one cafeteria never overlap; the database sees to it."""

    __tablename__ = "opening_intervals"

    id: Mapped[Key]
    cafeteria_id: Mapped[int] = mapped_column(ForeignKey("cafeterias.id", ondelete="CASCADE"))
    weekday: Mapped[int] = mapped_column(SmallInteger)
    opens_at: Mapped[time] = mapped_column(Time)
    closes_at: Mapped[time] = mapped_column(Time)
    minutes_of_week: Mapped[MultiRange[int]] = mapped_column(
        INT4MULTIRANGE, Computed(MINUTES_OF_WEEK, persisted=True)
    )

    __table_args__ = (
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday"),
        CheckConstraint(WHOLE_MINUTES, name="whole_minutes"),
        ExcludeConstraint(
            ("cafeteria_id", "="),
            ("minutes_of_week", "&&"),
            name="ex_opening_intervals_overlap",
            using="gist",
        ),
    )


class OpeningException(Base):
    """A local date that does not follow the week: closed, or open at other hours."""

    __tablename__ = "opening_exceptions"

    id: Mapped[Key]
    cafeteria_id: Mapped[int] = mapped_column(ForeignKey("cafeterias.id", ondelete="CASCADE"))
    on_date: Mapped[date] = mapped_column(Date)
    opens_at: Mapped[time | None] = mapped_column(Time)
    closes_at: Mapped[time | None] = mapped_column(Time)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    minutes_of_date: Mapped[Range[int]] = mapped_column(
        INT4RANGE, Computed(MINUTES_OF_DATE, persisted=True)
    )

    __table_args__ = (
        CheckConstraint("(opens_at IS NULL) = (closes_at IS NULL)", name="closed_or_both"),
        CheckConstraint(WHOLE_MINUTES, name="whole_minutes"),
        ExcludeConstraint(
            ("cafeteria_id", "="),
            ("on_date", "="),
            ("minutes_of_date", "&&"),
            name="ex_opening_exceptions_overlap",
            using="gist",
        ),
    )
