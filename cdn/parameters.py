"""A picture's query string, judged: what was asked, or which parameter is wrong and how."""

import re
from collections.abc import Callable
from math import ceil
from typing import Final, TypeVar

import msgspec

from cdn.ladder import CENTRE, LADDER, WHITE, Fit, Focus, Format

NAMES: Final = ("p", "v", "s", "dpr", "w", "h", "q", "fit", "g", "bg", "fm", "anim")
"""Every parameter, in the order in which they are judged."""
MOST_QUERY_BYTES: Final = 8192
"""CloudFront's own limit of a URL."""
_AUTO: Final = "auto"
_MOST_SHOWN: Final = 32
_UNPRINTABLE: Final = re.compile(r"[^ -~]+")
# Only printable ASCII is decoded: no value has any other character, so what is left as it was
# is refused, malformed escapes cannot fail, and a `+` means the same to everybody: nothing.
_ESCAPE: Final = re.compile(r"%(2[1-9A-Fa-f]|[3-6][0-9A-Fa-f]|7[0-9A-Ea-e])")

_WHOLE: Final = re.compile(r"[0-9]{1,6}")
_RATIO: Final = re.compile(r"[0-9](?:\.[0-9]{1,20})?")
_FRACTION: Final = re.compile(r"[01]|[01]?\.[0-9]{1,8}")
_COLOUR: Final = re.compile(r"[0-9A-Fa-f]{3}(?:[0-9A-Fa-f]{3})?")
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SIGNATURE: Final = re.compile(r"[a-z0-9]{1,16}\.[A-Za-z0-9_-]{43}")

T = TypeVar("T")
Reader = Callable[[str], T | None]
"""Makes something of a value, or None of one that is not allowed."""


class ParameterError(ValueError):
    """A parameter of a picture's URL is nonsense; the message names it and what is allowed."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter

    @classmethod
    def of(cls, parameter: str, value: str, allowed: str) -> "ParameterError":
        """`value` is shown up to 32 characters, without any that could mislead a terminal."""
        shown = _UNPRINTABLE.sub("?", value)[:_MOST_SHOWN]
        return cls(parameter, f'{parameter}="{shown}" is not {allowed}.')


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a query asks for, checked but not yet on the ladder; None stands for auto."""

    version: str | None
    width: int | None
    """In pixels, the pixel ratio counted in."""
    height: int | None
    quality: int | None
    fit: Fit
    focus: Focus
    background: str
    format: Format | None
    animated: bool
    signature: str | None


def asked(query: str | bytes) -> Asked:
    """The parameters of a raw query string: `w h q fit g dpr fm bg v p anim s`.

    Names are case-sensitive and literal, and unknown ones are dropped. Values of a preset `p`
    count where the URL has none of its own. Raises ParameterError; of several wrong parameters
    it tells a repeated one first, and else the first in the order below, as the edge does.
    """
    given = _Given(query)
    version = given.read("v", _matching(_VERSION), "a version of 1 to 64 letters, digits, - and _")
    signature = given.read("s", _matching(_SIGNATURE), "the name of a key, a dot and 43 characters")
    lowest, highest = LADDER.limits.dpr
    steps = given.read("dpr", _ratio, f"a number from {lowest} to {highest}")
    compass = ", ".join(LADDER.gravities)
    return Asked(
        width=given.side("w", steps, signed=signature is not None),
        height=given.side("h", steps, signed=signature is not None),
        quality=given.read("q", _quality, "auto or a whole number from 1 to 100") or None,
        fit=Fit(given.choice("fit", LADDER.fits) or Fit.COVER),
        focus=given.read("g", _focus, f"one of {compass} or a point such as 0.3,0.7") or CENTRE,
        background=given.read("bg", _colour, "a colour of 3 or 6 hexadecimal digits") or WHITE,
        format=_format(given.choice("fm", (_AUTO, *Format))),
        animated=given.choice("anim", ("0", "1")) == "1",
        version=version,
        signature=signature,
    )


class _Given:
    """The values of a query by name, those of its preset included."""

    def __init__(self, query: str | bytes) -> None:
        self._values = _values(query)
        preset = self.choice("p", tuple(LADDER.presets))
        self._values = (LADDER.presets[preset] if preset else {}) | self._values

    def read(self, name: str, reader: Reader[T], allowed: str) -> T | None:
        """What `reader` makes of the value; None if there is none."""
        text = self._values.get(name)
        if text is None:
            return None
        value = reader(text)
        if value is None:
            raise ParameterError.of(name, text, allowed)
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        allowed = f"one of {', '.join(choices)}"
        return self.read(name, lambda text: text if text in choices else None, allowed)

    def side(self, name: str, steps: int | None, *, signed: bool) -> int | None:
        """In pixels, with `steps` of the ladder as the pixel ratio."""
        limits = LADDER.limits
        allowed = f"a whole number from 1 to {limits.side}"
        side = self.read(name, lambda text: _whole(text, limits.side), allowed)
        if side is None:
            return None
        pixels = ceil(side * (steps or limits.dpr_steps) / limits.dpr_steps)
        if signed and pixels > limits.signed_side:
            allowed = f"at most {limits.signed_side} pixels, dpr counted in"
            raise ParameterError.of(name, self._values[name], allowed)
        return pixels


def _values(query: str | bytes) -> dict[str, str]:
    if len(query) > MOST_QUERY_BYTES:
        raise ParameterError("query", f"The query is longer than {MOST_QUERY_BYTES} bytes.")
    # latin-1 takes every byte; what is not ASCII is refused wherever it matters.
    text = query if isinstance(query, str) else query.decode("latin-1")
    pairs = [pair.partition("=") for pair in text.split("&")]
    names = [name for name, _, _ in pairs]
    for name in NAMES:
        if names.count(name) > 1:
            # Two caches that disagree on which one counts would poison each other.
            raise ParameterError(name, f"{name} is given more than once.")
    return {name: _unescaped(value) for name, _, value in pairs if name in NAMES}


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), value)


def _matching(pattern: re.Pattern[str]) -> Reader[str]:
    return lambda text: text if pattern.fullmatch(text) else None


def _whole(text: str, highest: int) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) and 1 <= int(text) <= highest else None


def _ratio(text: str) -> int | None:
    """A pixel ratio in steps of the ladder, rounded up: 2.625 is 11 quarters."""
    lowest, highest = LADDER.limits.dpr
    ratio = float(text) if _RATIO.fullmatch(text) else 0
    return ceil(ratio * LADDER.limits.dpr_steps) if lowest <= ratio <= highest else None


def _quality(text: str) -> int | None:
    return 0 if text == _AUTO else _whole(text, 100)


def _focus(text: str) -> Focus | None:
    if text in LADDER.gravities:
        return LADDER.gravities[text]
    points = [_percent(each) for each in text.split(",")]
    if len(points) != 2 or points[0] is None or points[1] is None:
        return None
    return (points[0], points[1])


def _percent(text: str) -> int | None:
    """A number from 0 to 1 in percent, on the grid of the ladder."""
    fraction = float(text) if _FRACTION.fullmatch(text) else 2
    return None if fraction > 1 else LADDER.focus(fraction)


def _colour(text: str) -> str | None:
    if not _COLOUR.fullmatch(text):
        return None
    digits = text.lower()
    return digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)


def _format(choice: str | None) -> Format | None:
    return None if choice is None or choice == _AUTO else Format(choice)
