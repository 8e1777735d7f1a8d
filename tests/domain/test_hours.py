"""Opening hours keep their promises over midnight, over holidays and over clock changes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cafeterias import Statuses
from domain.model.hours import (
    HORIZON,
    WEEK_MINUTES,
    Interval,
    Place,
    Schedule,
    SpecialDay,
    Status,
    WeeklyInterval,
    minutes_of_week,
)

MADRID, CANARY, NEW_YORK = "Europe/Madrid", "Atlantic/Canary", "America/New_York"
MON, TUE, WED, THU, FRI, SAT, SUN = range(1, 8)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def shift(hours: str) -> Interval:
    opens_at, closes_at = map(time.fromisoformat, hours.split("-"))
    return Interval(opens_at, closes_at)


def weekly(hours: dict[int, str]) -> tuple[WeeklyInterval, ...]:
    """Write {FRI: "09:00-12:00 13:00-17:00"} for two shifts on Friday."""
    return tuple(
        WeeklyInterval(interval.opens_at, interval.closes_at, weekday=weekday)
        for weekday, shifts in hours.items()
        for interval in map(shift, shifts.split())
    )


def schedule(hours: dict[int, str], zone: str = MADRID, last_order: int = 0) -> Schedule:
    return Schedule(time_zone=zone, weekly=weekly(hours), last_order=last_order * MINUTE)


def every_day(hours: str) -> tuple[WeeklyInterval, ...]:
    return weekly(dict.fromkeys(range(MON, SUN + 1), hours))


def special(on: str, hours: str = "") -> SpecialDay:
    return SpecialDay(date.fromisoformat(on), tuple(map(shift, hours.split())))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def opened(closes_at: str) -> Status:
    at = utc(closes_at)
    return Status(is_open=True, accepts_orders=True, closes_at=at, last_order_at=at, next_change=at)


def closed(opens_at: str) -> Status:
    at = utc(opens_at)
    return Status(is_open=False, accepts_orders=False, opens_at=at, next_change=at)


ALWAYS_OPEN = Status(is_open=True, accepts_orders=True)
NEVER_OPEN = Status(is_open=False, accepts_orders=False)

# 2026-01-05 is a Monday; Madrid is at +01:00 in January.
SPLIT = {MON: "08:00-11:00 13:00-16:30", WED: "08:00-11:00"}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-05T07:59:59+01:00", closed("2026-01-05T08:00+01:00")),
        ("2026-01-05T08:00:00+01:00", opened("2026-01-05T11:00+01:00")),
        ("2026-01-05T10:59:59.999999+01:00", opened("2026-01-05T11:00+01:00")),
        ("2026-01-05T11:00:00+01:00", closed("2026-01-05T13:00+01:00")),
        ("2026-01-05T13:00:00+01:00", opened("2026-01-05T16:30+01:00")),
        ("2026-01-05T16:30:00+01:00", closed("2026-01-07T08:00+01:00")),
    ],
)
def test_a_split_shift_is_closed_in_between(at: str, expected: Status) -> None:
    assert schedule(SPLIT).status(datetime.fromisoformat(at)) == expected


def test_the_order_in_which_intervals_are_given_does_not_matter() -> None:
    jumbled = Schedule(
        time_zone=MADRID,
        weekly=weekly(SPLIT)[::-1],
        exceptions=(special("2026-01-09", "13:00-14:00 09:00-10:00"),),
    )
    assert jumbled.status(utc("2026-01-05T09:00+01:00")) == opened("2026-01-05T11:00+01:00")
    assert jumbled.status(utc("2026-01-09T09:30+01:00")) == opened("2026-01-09T10:00+01:00")


def test_a_day_without_hours_is_closed_until_the_next_that_has_some() -> None:
    tuesday = utc("2026-01-06T09:00+01:00")
    assert schedule(SPLIT).status(tuesday) == closed("2026-01-07T08:00+01:00")
    friday = utc("2026-01-09T09:00+01:00")
    assert schedule(SPLIT).status(friday) == closed("2026-01-12T08:00+01:00")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-09T21:59+01:00", closed("2026-01-09T22:00+01:00")),
        ("2026-01-10T01:00+01:00", opened("2026-01-10T04:00+01:00")),
        ("2026-01-10T04:00+01:00", closed("2026-01-16T22:00+01:00")),
    ],
)
def test_friday_night_is_still_open_early_on_saturday(at: str, expected: Status) -> None:
    assert schedule({FRI: "22:00-04:00"}).status(datetime.fromisoformat(at)) == expected


def test_sunday_night_runs_into_monday_morning_as_one_opening() -> None:
    hours = schedule({SUN: "20:00-03:00", MON: "03:00-10:00"})
    assert hours.status(utc("2026-01-11T23:00+01:00")) == opened("2026-01-12T10:00+01:00")


FRIDAY_NIGHT = weekly({FRI: "22:00-04:00", SAT: "10:00-14:00"})


@pytest.mark.parametrize(
    ("exception", "at", "expected"),
    [
        pytest.param(
            special("2026-01-10"),
            "2026-01-10T01:00+01:00",
            opened("2026-01-10T04:00+01:00"),
            id="a holiday leaves the night before to its end",
        ),
        pytest.param(
            special("2026-01-10"),
            "2026-01-10T11:00+01:00",
            closed("2026-01-16T22:00+01:00"),
            id="a holiday is closed all day",
        ),
        pytest.param(
            special("2026-01-09"),
            "2026-01-10T01:00+01:00",
            closed("2026-01-10T10:00+01:00"),
            id="a holiday takes its own night with it",
        ),
        pytest.param(
            special("2026-01-09", "18:00-23:00"),
            "2026-01-10T01:00+01:00",
            closed("2026-01-10T10:00+01:00"),
            id="special hours replace the night",
        ),
        pytest.param(
            special("2026-01-09", "18:00-23:00"),
            "2026-01-09T18:30+01:00",
            opened("2026-01-09T23:00+01:00"),
            id="special hours are kept",
        ),
        pytest.param(
            special("2026-01-09", "22:00-11:00"),
            "2026-01-09T23:00+01:00",
            opened("2026-01-10T14:00+01:00"),
            id="a special night joins the morning it reaches",
        ),
        pytest.param(
            special("2026-01-09", "22:00-15:00"),
            "2026-01-09T23:00+01:00",
            opened("2026-01-10T15:00+01:00"),
            id="a special night outlasts the shift it swallows",
        ),
        pytest.param(
            special("2026-01-06", "12:00-13:00"),
            "2026-01-05T09:00+01:00",
            closed("2026-01-06T12:00+01:00"),
            id="special hours open a day the week has closed",
        ),
    ],
)
def test_an_exception_replaces_what_begins_on_its_date(
    exception: SpecialDay, at: str, expected: Status
) -> None:
    hours = Schedule(time_zone=MADRID, weekly=FRIDAY_NIGHT, exceptions=(exception,))
    assert hours.status(datetime.fromisoformat(at)) == expected


# Clocks go forward at 01:00Z on 2026-03-29 in Madrid and at 07:00Z on 2026-03-08 in New York,
# back at 01:00Z on 2026-10-25 and at 06:00Z on 2026-11-01.
@pytest.mark.parametrize(
    ("zone", "hours", "opens_at", "closes_at"),
    [
        (MADRID, {SAT: "22:00-04:00"}, "2026-03-28T21:00Z", "2026-03-29T02:00Z"),
        (MADRID, {SAT: "22:00-04:00"}, "2026-10-24T20:00Z", "2026-10-25T03:00Z"),
        (MADRID, {SAT: "22:00-02:30"}, "2026-03-28T21:00Z", "2026-03-29T01:00Z"),
        (MADRID, {SAT: "22:00-02:30"}, "2026-10-24T20:00Z", "2026-10-25T01:30Z"),
        (MADRID, {SUN: "02:30-05:00"}, "2026-03-29T01:00Z", "2026-03-29T03:00Z"),
        (MADRID, {SUN: "02:30-05:00"}, "2026-10-25T00:30Z", "2026-10-25T04:00Z"),
        (MADRID, {SUN: "02:30-03:00 03:30-04:00"}, "2026-03-29T01:30Z", "2026-03-29T02:00Z"),
        (MADRID, {SUN: "01:00-02:15 02:45-04:00"}, "2026-10-24T23:00Z", "2026-10-25T03:00Z"),
        (MADRID, {SAT: "12:00-12:00"}, "2026-03-28T11:00Z", "2026-03-29T10:00Z"),
        (NEW_YORK, {SAT: "22:00-04:00"}, "2026-03-08T03:00Z", "2026-03-08T08:00Z"),
        (NEW_YORK, {SAT: "22:00-04:00"}, "2026-11-01T02:00Z", "2026-11-01T09:00Z"),
        (NEW_YORK, {SAT: "22:00-02:30"}, "2026-03-08T03:00Z", "2026-03-08T07:00Z"),
        (NEW_YORK, {SAT: "22:00-01:30"}, "2026-11-01T02:00Z", "2026-11-01T06:30Z"),
        (NEW_YORK, {SUN: "02:30-05:00"}, "2026-03-08T07:00Z", "2026-03-08T09:00Z"),
        (NEW_YORK, {SUN: "01:30-05:00"}, "2026-11-01T05:30Z", "2026-11-01T10:00Z"),
    ],
)
def test_a_clock_change_neither_shuts_the_door_early_nor_opens_it_late(
    zone: str, hours: dict[int, str], opens_at: str, closes_at: str
) -> None:
    changed = schedule(hours, zone)
    before, opening = utc(opens_at) - timedelta(microseconds=1), utc(opens_at)
    assert changed.status(before) == closed(opens_at)
    assert changed.status(opening) == opened(closes_at)
    assert changed.status(utc(closes_at) - timedelta(microseconds=1)) == opened(closes_at)
    assert not changed.status(utc(closes_at)).is_open


def test_a_shift_the_clock_jumps_over_does_not_take_place() -> None:
    skipped = schedule({SUN: "02:15-02:45"})
    assert skipped.status(utc("2026-03-29T01:00Z")) == closed("2026-04-05T02:15+02:00")
    assert skipped.status(utc("2026-03-28T12:00Z")) == closed("2026-04-05T02:15+02:00")


def test_a_clock_set_back_over_midnight_hides_neither_yesterday_nor_tomorrow() -> None:
    # At 2010-11-07 00:01 (02:31Z) it became 23:01 of the day before.
    zone = "America/St_Johns"
    friday = Schedule(time_zone=zone, exceptions=(special("2010-11-05", "23:30-23:30"),))
    assert friday.status(utc("2010-11-07T02:30:30Z")) == opened("2010-11-07T03:00Z")
    sunday = Schedule(time_zone=zone, exceptions=(special("2010-11-07", "00:00-09:00"),))
    assert sunday.status(utc("2010-11-07T02:45Z") - HORIZON) == closed("2010-11-07T02:30Z")


def test_the_same_hours_on_the_islands_are_an_hour_later() -> None:
    lunch = {MON: "13:00-16:00"}
    at = utc("2026-07-06T11:30Z")
    assert schedule(lunch, MADRID).status(at) == opened("2026-07-06T14:00Z")
    assert schedule(lunch, CANARY).status(at) == closed("2026-07-06T12:00Z")


def test_the_weekday_is_the_cafeterias_and_not_that_of_utc() -> None:
    late = schedule({MON: "21:00-23:00"}, NEW_YORK)
    assert late.status(utc("2026-01-06T02:30Z")) == opened("2026-01-06T04:00Z")


@pytest.mark.parametrize(
    ("at", "accepts_orders", "next_change"),
    [
        ("2026-01-05T13:00+01:00", True, "2026-01-05T16:10+01:00"),
        ("2026-01-05T16:09:59+01:00", True, "2026-01-05T16:10+01:00"),
        ("2026-01-05T16:10+01:00", False, "2026-01-05T16:30+01:00"),
    ],
)
def test_orders_stop_before_the_doors_close(
    at: str, accepts_orders: bool, next_change: str
) -> None:
    assert schedule(SPLIT, last_order=20).status(utc(at)) == Status(
        is_open=True,
        accepts_orders=accepts_orders,
        last_order_at=utc("2026-01-05T16:10+01:00"),
        closes_at=utc("2026-01-05T16:30+01:00"),
        next_change=utc(next_change),
    )


def test_orders_do_not_stop_between_two_days_that_join() -> None:
    status = schedule({FRI: "00:00-00:00", SAT: "00:00-12:00"}, last_order=20).status(
        utc("2026-01-09T23:55+01:00")
    )
    assert status.accepts_orders
    assert status.last_order_at == utc("2026-01-10T11:40+01:00")


def test_an_opening_shorter_than_the_last_order_takes_no_orders() -> None:
    short = schedule({MON: "08:00-08:15"}, last_order=30)
    status = short.status(utc("2026-01-05T08:00+01:00"))
    assert (status.is_open, status.accepts_orders) == (True, False)


def test_a_cafeteria_without_hours_never_opens() -> None:
    assert schedule({}).status(utc("2026-01-05T12:00Z")) == NEVER_OPEN


@pytest.mark.parametrize("at", ["2026-01-05T00:00+01:00", "2026-03-29T01:00Z", "2026-10-25T01:30Z"])
def test_a_cafeteria_that_is_always_open_tells_no_closing(at: str) -> None:
    always = Schedule(time_zone=MADRID, weekly=every_day("00:00-00:00"), last_order=30 * MINUTE)
    assert always.status(utc(at)) == ALWAYS_OPEN


def test_the_next_opening_is_looked_for_14_days_ahead_and_no_further() -> None:
    opens_at = utc("2026-02-02T08:00+01:00")
    once = Schedule(time_zone=MADRID, exceptions=(special("2026-02-02", "08:00-10:00"),))
    assert once.status(opens_at - HORIZON).opens_at == opens_at
    assert once.status(opens_at - HORIZON - timedelta(microseconds=1)) == NEVER_OPEN


def test_a_closing_is_looked_for_14_days_ahead_and_no_further() -> None:
    until = Schedule(
        time_zone=MADRID, weekly=every_day("00:00-00:00"), exceptions=(special("2026-02-02"),)
    )
    closes_at = utc("2026-02-02T00:00+01:00")
    assert until.status(closes_at - HORIZON).closes_at == closes_at
    assert until.status(closes_at - HORIZON - timedelta(microseconds=1)) == ALWAYS_OPEN


def test_14_days_are_336_hours_also_when_asked_in_local_time() -> None:
    opens_at = utc("2026-03-30T08:00+02:00")
    once = Schedule(time_zone=MADRID, exceptions=(special("2026-03-30", "08:00-10:00"),))
    for at, seen in ((opens_at - 14 * 24 * HOUR, opens_at), (opens_at - 337 * HOUR, None)):
        assert once.status(at.astimezone(ZoneInfo(MADRID))).opens_at == seen


def test_times_are_answered_in_utc_whatever_offset_was_asked_in() -> None:
    at = datetime(2026, 1, 5, 9, tzinfo=ZoneInfo(MADRID))
    status = schedule(SPLIT).status(at)
    assert status == schedule(SPLIT).status(at.astimezone(ZoneInfo(NEW_YORK)))
    assert {status.closes_at and status.closes_at.tzinfo} == {UTC}


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (datetime(2026, 1, 5, 9), "UTC offset"),
        (datetime.max.replace(tzinfo=UTC), "end of the calendar"),
        (datetime.min.replace(tzinfo=UTC), "end of the calendar"),
    ],
)
def test_an_instant_that_cannot_be_placed_is_refused(at: datetime, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule(SPLIT).status(at)


@pytest.mark.parametrize("weekday", [0, 8, -1])
def test_a_weekday_outside_the_iso_week_is_refused(weekday: int) -> None:
    with pytest.raises(ValueError, match=r"from 1 \(Monday\) to 7"):
        WeeklyInterval(time(9), time(17), weekday=weekday)


@pytest.mark.parametrize("wall", [time(9, 0, 1), time(9, 0, 0, 1), time(9, tzinfo=UTC)])
def test_hours_are_local_times_in_whole_minutes(wall: time) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        Interval(wall, time(17))
    with pytest.raises(ValueError, match="whole minutes"):
        WeeklyInterval(time(8), wall, weekday=MON)


@pytest.mark.parametrize("zone", ["Europe", "Mars/Base", "", "../zone", "/zone", "x" * 999, "\0"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="use an IANA name") as refused:
        Schedule(time_zone=zone)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("last_order", [-MINUTE, 24 * HOUR])
def test_a_last_order_time_outside_a_day_is_refused(last_order: timedelta) -> None:
    with pytest.raises(ValueError, match="last order"):
        Schedule(time_zone=MADRID, last_order=last_order)


@pytest.mark.parametrize(
    "hours",
    [
        {MON: "09:00-12:00 11:59-13:00"},
        {MON: "09:00-12:00 09:00-12:00"},
        {FRI: "22:00-04:00", SAT: "03:59-10:00"},
        {FRI: "10:00-10:00", SAT: "09:59-12:00"},
        {MON: "02:00-10:00", SUN: "22:00-02:01"},
    ],
)
def test_weekly_hours_that_overlap_are_refused(hours: dict[int, str]) -> None:
    with pytest.raises(ValueError, match=r"hours overlap: .* on weekday"):
        schedule(hours)


def test_special_hours_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap: 09:00-12:00 and 11:00-13:00"):
        special("2026-01-06", "11:00-13:00 09:00-12:00")
    twice = (special("2026-01-06"), special("2026-01-06", "09:00-12:00"))
    with pytest.raises(ValueError, match="two exceptions"):
        Schedule(time_zone=MADRID, exceptions=twice)


@pytest.mark.parametrize(
    ("hours", "minutes"),
    [
        ({MON: "00:00-00:01"}, (0, 1)),
        ({TUE: "09:30-12:00"}, (1440 + 570, 1440 + 720)),
        ({THU: "00:00-00:00"}, (3 * 1440, 4 * 1440)),
        ({SUN: "22:00-04:00"}, (6 * 1440 + 1320, 7 * 1440 + 240)),
    ],
)
def test_an_interval_is_a_range_in_minutes_of_the_week(
    hours: dict[int, str], minutes: tuple[int, int]
) -> None:
    (interval,) = weekly(hours)
    assert minutes_of_week(interval) == minutes


# The model: watch the clock on the wall for 27 days, minute by minute, and note what it reads.

BEFORE, AFTER = 5, 22
"""Days watched on each side of a clock change; instants are asked about within 2 days of it."""

CLOCK_CHANGES = {
    MADRID: ("2026-03-29", "2026-10-25"),
    CANARY: ("2026-03-29", "2026-10-25"),
    NEW_YORK: ("2026-03-08", "2026-11-01"),
    "Asia/Kolkata": ("2026-03-29",),  # none
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
    "America/Santiago": ("2026-04-05", "2026-09-06"),  # at midnight
    "America/St_Johns": ("2010-03-14", "2010-11-07"),  # at a minute past midnight
    "Pacific/Apia": ("2011-12-30",),  # a date that never was
}


class Clock(NamedTuple):
    """Which minutes after `start` the clock reads a wall time, at first and at last."""

    start: datetime
    first: dict[datetime, int]
    last: dict[datetime, int]


@cache
def watch(zone: str, day: str) -> Clock:
    clock = Clock(datetime.fromisoformat(day).replace(tzinfo=UTC) - BEFORE * 24 * HOUR, {}, {})
    for minute in range((BEFORE + AFTER) * 1440):
        wall = (clock.start + minute * MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        clock.first.setdefault(wall, minute)
        clock.last[wall] = minute
    return clock


def open_minutes(clock: Clock, hours: Schedule) -> bytearray:
    """Say of each minute watched whether the doors are open (1) or closed (0)."""

    def reading(times: dict[datetime, int], wall: datetime) -> int:
        while wall not in times:  # skipped: the next that the clock does read
            wall += MINUTE
        return times[wall]

    doors = bytearray((BEFORE + AFTER) * 1440)
    for days in range(1, BEFORE + AFTER - 2):
        day = clock.start.date() + timedelta(days)
        shifts: Sequence[Interval] = [i for i in hours.weekly if i.weekday == day.isoweekday()]
        for exception in hours.exceptions:
            if exception.on == day:
                shifts = exception.intervals
        for each in shifts:
            opens_at = datetime.combine(day, each.opens_at)
            closes_at = datetime.combine(day, each.closes_at)
            if closes_at <= opens_at:
                closes_at += timedelta(days=1)
            for minute in range(reading(clock.first, opens_at), reading(clock.last, closes_at)):
                doors[minute] = 1
    return doors


def modelled(clock: Clock, doors: bytearray, last_order: timedelta, at: datetime) -> Status:
    now = (at - clock.start) // MINUTE
    turn = doors.find(0 if doors[now] else 1, now)
    turns_at = clock.start + turn * MINUTE
    if turn < 0 or turns_at - at > timedelta(days=14):
        return ALWAYS_OPEN if doors[now] else NEVER_OPEN
    if not doors[now]:
        return closed(turns_at.isoformat())
    last_order_at = turns_at - last_order
    return Status(
        is_open=True,
        accepts_orders=at < last_order_at,
        last_order_at=last_order_at,
        closes_at=turns_at,
        next_change=last_order_at if at < last_order_at else turns_at,
    )


def minutes_walked(interval: Interval) -> set[int]:
    """Walk from the opening on until the clock reads the closing; Sunday is followed by Monday."""
    weekday = interval.weekday if isinstance(interval, WeeklyInterval) else 1
    minute = (weekday - 1) * 1440 + interval.opens_at.hour * 60 + interval.opens_at.minute
    walked = {minute}
    while (minute + 1) % 1440 != interval.closes_at.hour * 60 + interval.closes_at.minute:
        minute += 1
        walked.add(minute % (7 * 1440))
    return walked


Shift = TypeVar("Shift", bound=Interval)


def without_overlaps(intervals: Iterable[Shift]) -> tuple[Shift, ...]:
    kept: list[Shift] = []
    taken: set[int] = set()
    for interval in intervals:
        minutes = minutes_walked(interval)
        if taken.isdisjoint(minutes):
            taken |= minutes
            kept.append(interval)
    return tuple(kept)


# Many times near midnight and near the clock changes, many equal, and any other.
WALL_TIMES = st.one_of(
    st.sampled_from([0, 1, 30, 60, 90, 119, 120, 135, 150, 165, 179, 180, 181, 210, 240, 1439]),
    st.integers(0, 95).map(lambda quarter: quarter * 15),
    st.integers(0, 1439),
).map(lambda minute: time(*divmod(minute, 60)))
WEEKLY_INTERVALS = st.builds(WeeklyInterval, WALL_TIMES, WALL_TIMES, weekday=st.integers(MON, SUN))
WEEKS = st.one_of(
    st.lists(WEEKLY_INTERVALS, max_size=16).map(without_overlaps),
    st.sampled_from(["00:00-00:00", "02:30-02:30", "02:15-02:45 23:30-00:30"]).map(every_day),
)
SHIFTS = st.lists(st.builds(Interval, WALL_TIMES, WALL_TIMES), max_size=3).map(without_overlaps)


@st.composite
def schedules(draw: st.DrawFn, zone: str, day: str) -> Schedule:
    around = st.integers(-4, 18).map(lambda days: date.fromisoformat(day) + timedelta(days))
    return Schedule(
        time_zone=zone,
        weekly=draw(WEEKS),
        exceptions=tuple(
            draw(
                st.lists(
                    st.builds(SpecialDay, around, SHIFTS),
                    max_size=4,
                    unique_by=lambda special: special.on,
                )
            )
        ),
        last_order=draw(st.integers(0, 240)) * MINUTE,
    )


@pytest.mark.parametrize(
    ("zone", "day"), [(zone, day) for zone, days in CLOCK_CHANGES.items() for day in days]
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_answer_is_what_a_watch_kept_minute_by_minute_has_seen(
    zone: str, day: str, data: st.DataObject
) -> None:
    clock = watch(zone, day)
    hours = data.draw(schedules(zone, day))
    doors = open_minutes(clock, hours)
    asked = range((BEFORE - 2) * 1440, (BEFORE + 2) * 1440)
    turns = [clock.start + m * MINUTE for m in asked if doors[m] != doors[m - 1]]
    drawn = data.draw(st.lists(st.sampled_from(asked), min_size=3, max_size=3))
    instants = [clock.start + minute * MINUTE + MINUTE / 2 for minute in drawn]
    for at in (*instants, *turns, *(turn - timedelta(microseconds=1) for turn in turns)):
        expected = modelled(clock, doors, hours.last_order, at)
        assert hours.status(at) == expected, at
        assert hours.status(at.astimezone(ZoneInfo(zone))) == expected, at


@settings(deadline=None)
@given(st.lists(WEEKLY_INTERVALS, max_size=4))
def test_a_week_is_refused_exactly_when_two_of_its_intervals_share_a_minute(
    intervals: list[WeeklyInterval],
) -> None:
    if len(without_overlaps(intervals)) == len(intervals):
        Schedule(time_zone=MADRID, weekly=tuple(intervals))
    else:
        with pytest.raises(ValueError, match="hours overlap"):
            Schedule(time_zone=MADRID, weekly=tuple(intervals))


def test_what_was_reckoned_once_holds_until_the_first_place_turns() -> None:
    places = [
        Place(1, "Split", "", schedule(SPLIT, last_order=25), 1),
        Place(2, "Night", "", schedule({TUE: "22:00-02:00"}), 1),
    ]
    monday = utc("2026-01-05T00:00+01:00")
    week = [monday + 5 * minutes * MINUTE for minutes in range(WEEK_MINUTES // 5)]
    statuses = Statuses()
    # And back again, for clocks are set, and requests of one moment are not in order.
    for at in week + week[::-11]:
        shown = [each.status for each in statuses.at(places, at)]
        assert shown == [each.schedule.status(at) for each in places]
    changed = [Place(1, "Split", "", schedule({}), 2), places[1]]
    assert [each.version for each in statuses.at(changed, week[0])] == [2, 1]
