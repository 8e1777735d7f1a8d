"""Says whether a cafeteria is open, and until when, from the hours on its door.

Hours are what a clock on the cafeteria's wall reads; answers are instants in UTC. One rule
joins the two, also on the nights when that clock is changed: a shift opens the first time the
clock reaches `opens_at` and closes the last time it reaches `closes_at`. So a time skipped in
spring (02:30, when 02:00 becomes 03:00) is the instant of the jump, and of a time that comes
twice in autumn the first opens and the second closes: nobody finds the door shut too soon.
RFC 5545 (3.3.5) would move a skipped time to 03:30, past a shift that starts at 03:00.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

DAY = timedelta(days=1)
HORIZON = 14 * DAY
"""How far ahead the next opening or closing is looked for; it bounds the work of an answer."""

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES


class Interval(Struct, frozen=True):
    """One shift, [opens_at, closes_at), in local time and whole minutes.

    A `closes_at` not later than `opens_at` is on the next day; equal times are a whole day.
    """

    opens_at: time
    closes_at: time

    def __post_init__(self) -> None:
        for wall in (self.opens_at, self.closes_at):
            if wall.tzinfo or wall.second or wall.microsecond:
                raise ValueError(f"{wall} must be a local time in whole minutes, like 09:30")

    def __str__(self) -> str:
        return f"{self.opens_at:%H:%M}-{self.closes_at:%H:%M}"

    @property
    def overnight(self) -> bool:
        return self.closes_at <= self.opens_at


class WeeklyInterval(Interval, frozen=True, kw_only=True):
    """A shift worked every week, from the ISO `weekday` on: 1 is Monday and 7 is Sunday."""

    weekday: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.weekday <= 7:
            raise ValueError(f"weekday {self.weekday} must be from 1 (Monday) to 7 (Sunday)")

    def __str__(self) -> str:
        return f"{super().__str__()} on weekday {self.weekday}"


class SpecialDay(Struct, frozen=True):
    """The shifts that begin on one date instead of the weekly ones; none is a holiday.

    A shift that began the evening before is not touched: it belongs to its own date.
    """

    on: date
    intervals: tuple[Interval, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        _reject_overlaps((*_minutes_of_day(interval), interval) for interval in self.intervals)


class Status(Struct, frozen=True, kw_only=True):
    """What to tell a client at one instant; all times are UTC, None beyond the horizon.

    `opens_at` is told while closed, `closes_at` and `last_order_at` while open.
    `next_change` is when `is_open` or `accepts_orders` will next turn: cache no longer than that.
    """

    is_open: bool
    accepts_orders: bool
    opens_at: datetime | None = None
    last_order_at: datetime | None = None
    closes_at: datetime | None = None
    next_change: datetime | None = None


class Opening(NamedTuple):
    """A span of real time, [opens_at, closes_at), in UTC."""

    opens_at: datetime
    closes_at: datetime


class Schedule(Struct, frozen=True, kw_only=True):
    """The hours of one cafeteria. Raises ValueError for hours that contradict each other.

    Orders stop `last_order` before the doors close; a shift shorter than that takes none.
    """

    time_zone: str
    weekly: tuple[WeeklyInterval, ...] = ()
    exceptions: tuple[SpecialDay, ...] = ()
    last_order: timedelta = timedelta()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (LookupError, ValueError, OSError) as error:  # OSError: a folder, such as "Europe"
            raise ValueError(
                f"unknown time zone {self.time_zone[:64]!r}: use an IANA name, like Europe/Madrid"
            ) from error
        if not timedelta() <= self.last_order < DAY:
            raise ValueError(f"last order {self.last_order} must be from 0 to under 24 hours")
        if len({special.on for special in self.exceptions}) < len(self.exceptions):
            raise ValueError("a date has two exceptions: put all its intervals in one")
        # Two weeks side by side, so that Sunday night meets Monday morning.
        weeks = [(*minutes_of_week(interval), interval) for interval in self.weekly]
        weeks += [(s + WEEK_MINUTES, e + WEEK_MINUTES, interval) for s, e, interval in weeks]
        _reject_overlaps(weeks)

    def status(self, at: datetime) -> Status:
        """Tell what holds `at` an aware instant; ValueError for a naive or unreachable one."""
        if at.utcoffset() is None:
            raise ValueError(f"{at} needs a UTC offset: the cafeteria's zone is not assumed")
        if not MINYEAR < at.year < MAXYEAR:
            raise ValueError(f"{at} is too near the end of the calendar to look around it")
        now = at.astimezone(UTC)
        horizon = now + HORIZON
        openings = _merged(self._openings(now, horizon))
        opening = next((each for each in openings if each.closes_at > now), None)
        if opening is None or opening.opens_at > horizon:
            return Status(is_open=False, accepts_orders=False)
        opens_at, closes_at = opening
        if opens_at > now:
            return Status(
                is_open=False, accepts_orders=False, opens_at=opens_at, next_change=opens_at
            )
        if closes_at > horizon:
            return Status(is_open=True, accepts_orders=True)
        last_order_at = closes_at - self.last_order
        accepts_orders = now < last_order_at
        return Status(
            is_open=True,
            accepts_orders=accepts_orders,
            last_order_at=last_order_at,
            closes_at=closes_at,
            next_change=last_order_at if accepts_orders else closes_at,
        )

    def _openings(self, start: datetime, end: datetime) -> Iterator[Opening]:
        """Every shift that can touch [start, end], by opening; they may meet or overlap."""
        zone = ZoneInfo(self.time_zone)
        special_days = {special.on: special.intervals for special in self.exceptions}
        # The night before, and a day to each side for clocks set back over midnight.
        day = start.astimezone(zone).date() - 2 * DAY
        last_day = end.astimezone(zone).date() + DAY
        while day <= last_day:
            weekly = (each for each in self.weekly if each.weekday == day.isoweekday())
            for interval in sorted(special_days.get(day, weekly), key=_minutes_of_day):
                closing_day = day + DAY if interval.overnight else day
                opens_at, _ = _readings(datetime.combine(day, interval.opens_at), zone)
                _, closes_at = _readings(datetime.combine(closing_day, interval.closes_at), zone)
                if opens_at < closes_at:  # else the clock jumped over the whole shift
                    yield Opening(opens_at, closes_at)
            day += DAY


class Place(Struct, frozen=True):
    """A cafeteria and its hours."""

    id: int
    name: str
    location: str
    schedule: Schedule
    version: int


def minutes_of_week(interval: WeeklyInterval) -> tuple[int, int]:
    """Give [start, end) in minutes since Monday 00:00; after 10080 it is Monday again."""
    midnight = (interval.weekday - 1) * DAY_MINUTES
    start, end = _minutes_of_day(interval)
    return midnight + start, midnight + end


def _minutes_of_day(interval: Interval) -> tuple[int, int]:
    start, end = (wall.hour * 60 + wall.minute for wall in (interval.opens_at, interval.closes_at))
    return start, end + DAY_MINUTES if interval.overnight else end


def _reject_overlaps(spans: Iterable[tuple[int, int, Interval]]) -> None:
    for (_, end, one), (start, _, other) in pairwise(sorted(spans, key=lambda span: span[:2])):
        if start < end:
            raise ValueError(f"hours overlap: {one} and {other}; join them or move one")


def _merged(openings: Iterable[Opening]) -> Iterator[Opening]:
    """Join the openings that meet or overlap: the doors do not close in between."""
    current: Opening | None = None
    for opening in openings:
        if current and opening.opens_at <= current.closes_at:
            current = Opening(current.opens_at, max(current.closes_at, opening.closes_at))
            continue
        if current:
            yield current
        current = opening
    if current:
        yield current


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Give the first and the last instant at which the clock in `zone` reaches `wall`."""
    first, last = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= last:
        return first, last

    # A skipped time: PEP 495 gives its two folds in reverse order, around the jump.
    def jumped(second: int) -> bool:
        return (last + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=None) > wall

    jump = bisect_left(range(int((first - last).total_seconds())), True, key=jumped)
    return (last + timedelta(seconds=jump),) * 2
