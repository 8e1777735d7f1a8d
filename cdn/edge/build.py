"""Puts cdn/ladder.json into the edge function, which can read no file of its own."""

import json
from pathlib import Path
from typing import Final

from cdn.ladder import SOURCE

FUNCTION: Final = Path(__file__).with_name("viewer_request.js")
MOST_BYTES: Final = 10_240
"""CloudFront's quota of a function's size."""

_BEGIN: Final = "// <ladder>\n"
_END: Final = "// </ladder>\n"
_NOT_AT_THE_EDGE: Final = frozenset({"srcset"})


def embedded(function: str, ladder: str) -> str:
    """The function's source with this ladder between its two marks, whatever was there.

    Raises ValueError if the marks are missing or the function grows too large for CloudFront.
    """
    before, begin, rest = function.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the function has no lines {_BEGIN.strip()} and {_END.strip()}")
    table = {
        name: value for name, value in json.loads(ladder).items() if name not in _NOT_AT_THE_EDGE
    }
    lines = [
        f"  {name}: {json.dumps(value, separators=(',', ':'))}," for name, value in table.items()
    ]
    source = "".join([before, begin, "const LADDER = {\n", *(f"{line}\n" for line in lines)])
    source += f"}};\n{end}{after}"
    size = len(source.encode())
    if size > MOST_BYTES:
        raise ValueError(f"the function would have {size} bytes; CloudFront takes {MOST_BYTES}")
    return source


def main() -> None:
    """Write the function in place: `python -m cdn.edge.build`."""
    ladder = SOURCE.read_text(encoding="utf-8")
    FUNCTION.write_text(embedded(FUNCTION.read_text(encoding="utf-8"), ladder), encoding="utf-8")


if __name__ == "__main__":
    main()
