"""The bytes of an answer, as they are and as they are coded, each under an entity tag."""

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

from bff.representation.codings import LEAST_BYTES, Choice, Coding

# 96 bits: nobody will meet two bodies with the same.
_TAG_BYTES: Final = 12
# The end of its tag tells how well a body is coded.
_LIVE: Final = ""
_KEPT: Final = "+"


class Coded:
    """A body as it is sent: its bytes, the name of its coding, and its strong entity tag."""

    __slots__ = ("body", "coding", "etag")

    def __init__(self, body: bytes, coding: str | None, etag: str) -> None:
        self.body = body
        self.coding = coding
        self.etag = etag


class Content:
    """A body, and what became of it in each coding that was asked for.

    The tag is made of the bytes and not of a version: processes that read the same at different
    moments agree on it, and what was changed and changed back is what the client has. What can be
    changed by its version has that before them, for If-Match.
    """

    def __init__(self, body: bytes, version: str | None = None) -> None:
        name = urlsafe_b64encode(blake2b(body, digest_size=_TAG_BYTES).digest()).decode()
        self._name = name if version is None else f"{version}-{name}"
        self.plain = Coded(body, None, f'"{self._name}"')
        self._live: dict[str, Coded] = {}
        self._kept: dict[str, Coded] = {}

    def coded(self, choice: Choice) -> Coded:
        """The body as somebody gets it: smaller than it is, unless it must be coded."""
        coding = choice.coding
        if coding is None or (len(self.plain.body) < LEAST_BYTES and not choice.must):
            return self.plain
        found = self._kept.get(coding.name) or self._live.get(coding.name)
        if found is None:
            body = coding.live(self.plain.body)
            found = self._live[coding.name] = self._named(body, coding, _LIVE)
        if len(found.body) >= len(self.plain.body) and not choice.must:
            return self.plain
        return found

    @property
    def settled(self) -> int:
        """In how many codings it is as small as can be."""
        return len(self._kept)

    def is_settled(self, coding: Coding) -> bool:
        """Whether it is coded as well as can be."""
        return coding.name in self._kept

    def settle(self, coding: Coding) -> None:
        """Code it as well as can be, for all who ask from now on; this may take a tenth of a
        second, and can be done in a thread."""
        kept = self._named(coding.kept(self.plain.body), coding, _KEPT)
        live = self._live.get(coding.name)
        # What repeats itself a lot is sometimes smaller by the cheap way.
        self._kept[coding.name] = live if live and len(live.body) <= len(kept.body) else kept

    def known_as(self, coded: Coded) -> list[str]:
        """The tags of what `coded` stands for: the same body in the same coding, be it as small as
        can be; another process may have got there first."""
        if coded.coding is None:
            return [coded.etag]
        return [self._tag(coded.coding, suffix) for suffix in (_LIVE, _KEPT)]

    def _named(self, body: bytes, coding: Coding, suffix: str) -> Coded:
        return Coded(body, coding.name, self._tag(coding.name, suffix))

    def _tag(self, coding: str, suffix: str) -> str:
        return f'"{self._name}-{coding}{suffix}"'
