"""Who is not served: robots that nobody has approved, and what looks for other people's holes."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

_ROBOT: Final = "bot"
_MOST_KNOWN: Final = 1024
_MOST_KNOWN_BYTES: Final = 512
# What no route of ours is called, and every scanner asks for first.
_SCANNED: Final = re.compile(
    r"/\.(?!well-known/)|\.(?:php\d?|phtml|aspx?|jspx?|cgi|env|git|sql|bak|ini)(?:/|$)"
    r"|^/+(?:wp-|wordpress|phpmyadmin|cgi-bin|vendor/|actuator|solr/|boaform|hnap1|autodiscover)",
    re.IGNORECASE,
)


class Robots:
    """Knows them by the User-Agent's word: those that lie about it are for the limits."""

    def __init__(self, approved: Sequence[str]) -> None:
        self._approved = [name.lower() for name in approved]
        self._known = lru_cache(_MOST_KNOWN)(self._are_refused)

    def are_refused(self, user_agent: bytes) -> bool:
        """Whether it calls itself a bot, and not only by names that are approved."""
        is_usual = len(user_agent) <= _MOST_KNOWN_BYTES
        return (self._known if is_usual else self._are_refused)(user_agent)

    def _are_refused(self, user_agent: bytes) -> bool:
        left = user_agent.decode("latin-1").lower()
        if _ROBOT not in left:
            return False
        for name in self._approved:
            left = left.replace(name, "")
        return _ROBOT in left


@lru_cache(_MOST_KNOWN)
def is_scanned_for(path: str) -> bool:
    """Whether nobody but a scanner asks for it."""
    return _SCANNED.search(path) is not None
