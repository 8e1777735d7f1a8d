"""Every caching header that a picture is answered with."""

from cdn.address import Recipe

# A variant of one version never changes, but its URL without a version may come to mean a new
# picture: caches may keep it an hour and must then ask again, which a 304 answers cheaply.
PUBLIC = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=2592000"
# A picture that is missing may be uploaded at any moment.
MISSING = "public, max-age=60"


def etag(product_id: int, version: str, recipe: Recipe) -> str:
    """The strong entity tag (RFC 9110, 8.8.3) of a variant; each format has its own."""
    return f'"{recipe.key(product_id, version).removeprefix("products/")}"'


def picture_headers(
    product_id: int, version: str, recipe: Recipe, *, stored: bool
) -> dict[str, str]:
    """The headers of a picture; `stored` says whether the shelf had it (RFC 9211)."""
    return {
        "Cache-Control": PUBLIC,
        "Vary": "Accept",
        "ETag": etag(product_id, version, recipe),
        "Cache-Tag": f"product-{product_id}",
        "Cache-Status": "comanda-variants; hit" if stored else "comanda-variants; fwd=miss; stored",
        "X-Content-Type-Options": "nosniff",
    }
