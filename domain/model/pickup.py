"""The code that an order is called up by: short, and never misheard or misread."""

import secrets
from typing import Final

# No vowels, which make words; of what looks or sounds alike (0O, 1IL, 2Z, 5S, 8B, VU), one or none.
ALPHABET: Final = "CDFGHJKMNPQRTVWXY34679"
SHORTEST: Final = 3


def pickup_code(length: int = SHORTEST) -> str:
    """A random code: one of 10,648 at the shortest."""
    return spelled(secrets.randbelow(len(ALPHABET) ** length), length)


def spelled(number: int, length: int = SHORTEST) -> str:
    """The code of a number below `len(ALPHABET) ** length`, each its own."""
    letters = ""
    for _ in range(length):
        number, position = divmod(number, len(ALPHABET))
        letters += ALPHABET[position]
    return letters
