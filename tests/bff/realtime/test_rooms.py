"""Who is told what: once each, all that is theirs together, and in its order."""

from collections.abc import Sequence

from bff.realtime.codec import Message
from bff.realtime.engine import Engine
from bff.realtime.figures import Figures
from bff.realtime.frames import CloseCode
from bff.realtime.rooms import Rooms, deliver
from bff.realtime.session import Session
from bff.realtime.sockets import SocketServer

ENGINE = Engine(SocketServer({}, Figures()).speak, Figures())
FIRST, SECOND, THIRD = (Message(b"4" + name) for name in (b"first", b"second", b"third"))


class Guest:
    """Notes what it is sent, and may leave because of it: the carrier of its session, too."""

    def __init__(self, rooms: Rooms, *names: str, leaves: bool = False) -> None:
        self.rooms: set[str] = set()
        self.session = Session(ENGINE, "", "", self)
        self.told: list[tuple[Message, ...]] = []
        self._all = rooms
        self._leaves = leaves
        for name in names:
            rooms.join(self, name)

    def send(self, messages: Sequence[Message]) -> None:
        self.told.append(tuple(messages))
        if self._leaves:
            self._all.leave_all(self)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """It has nothing to close."""


def test_what_is_for_one_goes_together_in_its_order() -> None:
    rooms = Rooms()
    both, one = Guest(rooms, "a", "b"), Guest(rooms, "b")
    told = [
        (rooms.members(["a", "b"]), FIRST),
        (rooms.members(["a"]), SECOND),
        (rooms.members(["b"]), THIRD),
    ]
    assert deliver(told) == 5
    assert both.told == [(FIRST, SECOND, THIRD)]
    assert one.told == [(FIRST, THIRD)]


def test_nobody_is_told_where_nobody_is() -> None:
    rooms = Rooms()
    assert not rooms.members(["a", "b"])
    assert deliver([]) == 0


def test_who_leaves_while_they_are_told_keeps_nothing_from_others() -> None:
    for news in ([FIRST], [FIRST, SECOND]):
        rooms = Rooms()
        leaver, stays = Guest(rooms, "a", leaves=True), Guest(rooms, "a")
        assert deliver([(rooms.members(["a"]), each) for each in news]) == 2 * len(news)
        assert leaver.told == stays.told == [tuple(news)]
        assert [*rooms.members(["a"])] == [stays]


def test_a_room_is_there_as_long_as_somebody_is_in_it() -> None:
    rooms = Rooms()
    guests = [Guest(rooms, "a", "b"), Guest(rooms, "a")]
    assert len(rooms) == 2
    for guest in guests:
        rooms.leave_all(guest)
        assert not guest.rooms
    assert not len(rooms)
