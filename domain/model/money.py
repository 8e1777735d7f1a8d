"""Money: whole minor units inside, a decimal string outside."""

import re
from functools import lru_cache

# ISO 4217: two minor digits, as for EUR and USD.
MINOR_DIGITS = 2
_DECIMAL = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?")


# The same few thousand prices and totals are written all day.
@lru_cache(maxsize=8192)
def to_decimal(minor: int) -> str:
    """The decimal string of an amount in minor units: 1250 -> "12.50", -5 -> "-0.05"."""
    sign = "-" if minor < 0 else ""
    units, cents = divmod(abs(minor), 100)
    return f"{sign}{units}.{cents:0{MINOR_DIGITS}d}"


def to_minor(decimal: str) -> int:
    """The minor units of an unsigned decimal string: "12.5" -> 1250.

    Raises ValueError for anything but up to nine digits and at most two decimals, so that no
    amount is ever rounded.
    """
    match = _DECIMAL.fullmatch(decimal)
    if match is None:
        raise ValueError(f"{decimal!r} is not an amount like 12.50")
    units, cents = match.groups(default="0")
    return int(units) * 100 + int(cents.ljust(MINOR_DIGITS, "0"))
