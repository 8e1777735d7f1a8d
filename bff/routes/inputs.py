"""What comes in, with its bounds: ids, texts, prices, times on a clock."""

from typing import Annotated, Any, Final

from litestar.params import PathParameter
from msgspec import UNSET, Meta, Struct, structs

from domain.menu_changes import MOST_SLUG

# What a JSON number carries to everybody (RFC 7493 2.2): no more fit into a double.
MOST_ID: Final = 2**53 - 1
# The end of a pattern; "$" would let a newline follow.
END: Final = r"(?![\s\S])"
Id = Annotated[int, Meta(ge=1, le=MOST_ID)]
PathId = Annotated[int, PathParameter(ge=1, le=MOST_ID)]
# PostgreSQL takes no NUL; what is one line has no other control characters either, nor is it blank.
LINE: Final = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*" + END
TEXT: Final = r"^[^\x00]*" + END
Slug = Annotated[str, Meta(max_length=MOST_SLUG, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*" + END)]
Price = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,2})?" + END, description="like 12.50")]
WallTime = Annotated[
    str,
    Meta(
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]" + END,
        description="as the clock on the wall of the cafeteria shows it, like 08:30",
    ),
]


def given(patch: Struct) -> dict[str, Any]:
    """The fields that a patch names (RFC 7396)."""
    return {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
