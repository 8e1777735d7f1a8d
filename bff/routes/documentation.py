"""The API's description (OpenAPI 3.1), and a page to browse it, from our own files."""

from pathlib import Path

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.router import Router
from litestar.static_files import create_static_files_router

import bff

OPENAPI = OpenAPIConfig(
    title="Comanda",
    version="0.1.0",
    description="Pictures, menu and orders of a campus cafeteria.",
    path="/schema",
    components=Components(
        security_schemes={
            "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
        }
    ),
    render_plugins=[JsonRenderPlugin(path="/openapi.json")],
)


def page() -> Router:
    """`/docs`: Swagger UI over `/schema/openapi.json`."""
    directory = Path(bff.__file__).parent / "docs_page"
    return create_static_files_router(
        path="/docs", directories=[directory], html_mode=True, include_in_schema=False
    )
