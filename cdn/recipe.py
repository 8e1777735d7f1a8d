"""What is asked of a picture, in the one spelling that all equal wishes share."""

import re
from typing import Final

import msgspec

from cdn.ladder import CENTRE, LADDER, LOSSLESS, WHITE, Fit, Focus, Format, Ladder

_FILE: Final = re.compile(
    r"(?:full|(?:w(?P<width>[0-9]{1,4}))?_?(?:h(?P<height>[0-9]{1,4}))?)"
    r"(?:_(?P<fit>contain|inside|fill))?"
    r"(?:_g(?P<x>[0-9]{1,3})-(?P<y>[0-9]{1,3}))?"
    r"(?:_bg(?P<background>[0-9a-f]{6}))?"
    r"(?P<animated>_a)?"
    r"(?:_q(?P<quality>[0-9]{1,3}))?"
    r"\.(?P<format>avif|webp|jpeg|png)"
)


class Recipe(msgspec.Struct, frozen=True):
    """A canonical variant: a box in pixels, how the picture meets it, a quality and a format.

    With one side only the other follows the picture's aspect, with none it keeps its size.
    `focus` is in percent, `quality` is the encoder's own (1 to 100), `background` is rrggbb.
    """

    width: int | None
    height: int | None
    fit: Fit
    focus: Focus
    quality: int
    format: Format
    background: str
    animated: bool = False

    @property
    def geometry(self) -> str:
        """The part that a signature lets leave the ladder: `w400_h300_contain_bg336699`."""
        sides = [
            f"{letter}{side}"
            for letter, side in (("w", self.width), ("h", self.height))
            if side is not None
        ]
        parts = sides or ["full"]
        if self.fit is not Fit.COVER:
            parts.append(self.fit)
        if self.focus != CENTRE:
            parts.append(f"g{self.focus[0]}-{self.focus[1]}")
        if self.background != WHITE:
            parts.append(f"bg{self.background}")
        return "_".join(parts)

    @property
    def file_name(self) -> str:
        """The last segment of the canonical path: `w400_h300_g25-75_q80.webp`."""
        animated = "_a" if self.animated else ""
        quality = "" if self.format is Format.PNG else f"_q{self.quality}"
        return f"{self.geometry}{animated}{quality}.{self.format}"


def canonical(wish: Recipe, *, exact: bool = False, ladder: Ladder = LADDER) -> Recipe:
    """The recipe that stands for every wish with the same outcome.

    What has no effect gets its default, so that it makes no second variant. Sizes and
    background go to the ladder, unless `exact` says that a signature vouches for them. The
    quality is taken as it is.
    """

    def size(pixels: int | None) -> int | None:
        return pixels if exact or pixels is None else ladder.size(pixels)

    boxed = wish.width is not None and wish.height is not None
    fit = wish.fit if boxed else Fit.COVER
    background = wish.background if exact else ladder.background(wish.background)
    # Which format it will be is nothing that a signature knows.
    shows_background = exact or wish.format is Format.JPEG or fit is Fit.CONTAIN
    return Recipe(
        width=size(wish.width),
        height=size(wish.height),
        fit=fit,
        focus=wish.focus if boxed and fit is Fit.COVER else CENTRE,
        quality=LOSSLESS if wish.format is Format.PNG else wish.quality,
        format=wish.format,
        background=background if shows_background else WHITE,
        animated=wish.animated and wish.format in ladder.animated,
    )


def parse(file_name: str, *, exact: bool = False) -> Recipe | None:
    """The recipe that has this very file name; None for anything that canonicalisation,
    `exact` or not, cannot have produced."""
    written = _FILE.fullmatch(file_name)
    if written is None:
        return None
    recipe = Recipe(
        width=_number(written["width"]),
        height=_number(written["height"]),
        fit=Fit(written["fit"] or Fit.COVER),
        focus=CENTRE if written["x"] is None else (int(written["x"]), int(written["y"])),
        quality=int(written["quality"] or LOSSLESS),
        format=Format(written["format"]),
        background=written["background"] or WHITE,
        animated=written["animated"] is not None,
    )
    sound = _within_bounds(recipe) and canonical(recipe, exact=exact) == recipe
    return recipe if sound and recipe.file_name == file_name else None


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _within_bounds(recipe: Recipe) -> bool:
    sides = (side for side in (recipe.width, recipe.height) if side is not None)
    return (
        all(1 <= side <= LADDER.limits.signed_side for side in sides)
        and all(percent % LADDER.focus_step == 0 and percent <= 100 for percent in recipe.focus)
        and recipe.quality in LADDER.possible_qualities(recipe.format)
    )
