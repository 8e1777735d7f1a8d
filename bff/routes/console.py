"""The counter's console: what staff have open all day, from our own files."""

from pathlib import Path
from typing import Final

from litestar.router import Router

import bff
from bff.routes import static

# Stricter than of other pages: nothing inline, and no string ever becomes markup or a script.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)


def page() -> Router:
    """`/console`: orders live, lists, products, reports and the state of the service."""
    home = Path(bff.__file__).parent / "console"
    return static.pages("/console", home, {"Content-Security-Policy": POLICY})
