"""The gallery: every dish of the menu as a page would show it, from our own files."""

from pathlib import Path

from litestar.router import Router

import bff
from bff.routes import static


def page() -> Router:
    """`/gallery`: srcset and ThumbHash placeholders, with what the browser chose."""
    return static.pages("/gallery", Path(bff.__file__).parent / "gallery")
