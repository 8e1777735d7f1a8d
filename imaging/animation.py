"""An animation, frame by frame, as long as that stays within bounds."""

from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from imaging.decode import decoder_errors, opened, uniform
from imaging.develop import finished
from imaging.geometry import Plan, in_pixels, stored
from imaging.picture import LIMITS, Container, Header, Parsed, PictureError

_KEPT = (Container.GIF, Container.WEBP)
# Encoding is most of the work: so many pixels take some two seconds.
_MOST_OUTPUT_PIXELS = 40_000_000
# Browsers show what claims to be shorter for a tenth of a second.
_SHORTEST, _INSTEAD = 11, 100
# An encoder adds up the milliseconds of all frames in 31 bits; this is two hours of one.
_LONGEST = (2**31 - 1) // LIMITS.animated_frames


def may_move(header: Header, plan: Plan) -> bool:
    """Whether every frame is rendered; otherwise the first one has to do."""
    return (
        header.animated
        and header.container in _KEPT
        and header.frames <= LIMITS.animated_frames
        and header.frames * header.pixels <= LIMITS.animated_pixels
        and header.frames * plan.canvas[0] * plan.canvas[1] <= _MOST_OUTPUT_PIXELS
    )


def frames(body: bytes, parsed: Parsed, plan: Plan) -> Iterator[tuple[Image.Image, int]]:
    """Each frame as `plan` shows it, and for how many milliseconds.

    They end before the first that is damaged, as they do in browsers; so there may be none.
    """
    header = parsed.header
    part = in_pixels(stored(plan.crop, header.orientation), header.width, header.height)
    with suppress(PictureError):
        with decoder_errors():
            moving = opened(header, body)
        for number in range(header.frames):
            with decoder_errors():
                moving.seek(number)
                moving.load()
                frame = uniform(moving.copy())
            milliseconds = int(moving.info.get("duration", 0))
            shown = _INSTEAD if milliseconds < _SHORTEST else min(milliseconds, _LONGEST)
            yield finished(frame, part, parsed, plan), shown
