"""The gallery: every dish of the menu as a page would show it, from our own files."""

from pathlib import Path

from litestar.router import Router
from litestar.static_files import create_static_files_router

import bff


def page() -> Router:
    """`/gallery`: srcset and ThumbHash placeholders, with what the browser chose."""
    directory = Path(bff.__file__).parent / "gallery"
    return create_static_files_router(
        path="/gallery", directories=[directory], html_mode=True, include_in_schema=False
    )
