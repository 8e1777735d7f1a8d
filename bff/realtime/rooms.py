"""Who is in which room, of one namespace and in this process."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from bff.realtime.codec import Message
from bff.realtime.session import Session


class Member(Protocol):
    """Whoever can be in rooms."""

    rooms: set[str]

    @property
    def session(self) -> Session:
        """What it comes over."""


class Rooms:
    """A room is there as long as somebody is in it. What leaving costs depends on the leaver's
    rooms only, so a crowd that goes at once is no more than each of it."""

    def __init__(self) -> None:
        self._members: dict[str, dict[Member, None]] = {}

    def join(self, member: Member, room: str) -> None:
        """Come into a room; to be in it already is no error."""
        member.rooms.add(room)
        self._members.setdefault(room, {})[member] = None

    def leave(self, member: Member, room: str) -> None:
        """Go out of it."""
        member.rooms.discard(room)
        members = self._members.get(room)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[room]

    def leave_all(self, member: Member) -> None:
        """Go out of all."""
        for room in list(member.rooms):
            self.leave(member, room)

    def members(self, rooms: Iterable[str]) -> Collection[Member]:
        """Whoever is in any of the rooms, once each; until somebody leaves or comes."""
        found = [members for room in rooms if (members := self._members.get(room))]
        if len(found) <= 1:
            return found[0] if found else ()
        return {member: None for members in found for member in members}

    def __len__(self) -> int:
        return len(self._members)


def deliver(told: Sequence[tuple[Collection[Member], Message]]) -> int:
    """Send each message to its members, and say how many deliveries that was. What is for one
    member goes together, in its order: a write costs the same, however much is in it."""
    if len(told) == 1:
        ((members, message),) = told
        alone = [message]
        # Whoever is too slow leaves meanwhile.
        for member in (those := list(members)):
            # Of thousands, each call between here and the socket would be felt.
            member.session.carrier.send(alone)
        return len(those)
    theirs: defaultdict[Member, list[Message]] = defaultdict(list)
    for members, message in told:
        for member in members:
            theirs[member].append(message)
    for member, messages in theirs.items():
        member.session.carrier.send(messages)
    return sum(map(len, theirs.values()))
