"""Every caching header: what a picture, or its absence, is answered with, and the API's."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, TypedDict

from cdn.address import Variant

Headers = dict[str, str]

# What a versioned URL names never changes.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
# A URL without a version may come to mean a new picture. Caches that can be purged keep it ten
# minutes, for a purge can overtake an answer that is still under way and would then be kept;
# browsers, which cannot be purged, a minute. Then they ask again, which a 304 answers cheaply.
UNVERSIONED: Final = (
    "public, max-age=60, s-maxage=600, stale-while-revalidate=60, stale-if-error=604800"
)
# Another format stands in for one that is still being made, or the picture may have been taken
# down and purged already. Nobody may keep it for later, but a second in CloudFront spares the
# origin the crowd that waits for the very same thing.
MOMENT: Final = "public, max-age=0, s-maxage=1, must-revalidate"
# A picture that is missing may be uploaded at any moment.
MISSING: Final = "public, max-age=10, s-maxage=60"
# Nonsense, overload and faults. CloudFront keeps a 503 for its error-caching minimum all the
# same, which has to be 0 or 1 second there: the default of 10 makes an outage of every hiccup.
UNKEPT: Final = "no-store"

# What the API tells everybody, and when it changes nobody is told. An order is held against the
# price that was shown, so an old one costs a question, not money.
SHARED_SECONDS: Final = 15
SHARED: Final = (
    f"public, max-age={SHARED_SECONDS}, s-maxage={SHARED_SECONDS}"
    ", stale-while-revalidate=60, stale-if-error=86400"
)
# What is changed by the version that was read is asked for anew by whoever may change it.
VERSIONED: Final = f"public, max-age=0, s-maxage={SHARED_SECONDS}, stale-if-error=86400"
# What it tells one person is asked for anew each time, which a 304 answers without its content.
PERSONAL: Final = "private, no-cache"

# The answer depends on both, at a public URL; a canonical path is one of its answers, and
# whatever is behind the edge function sees it under that name.
VARY: Final = "Accept, Save-Data"

# CloudFront reads tags from one header (CacheTagConfig). S3 puts this prefix before the names
# of an object's metadata, so the application answers by that name too; the plain one is for
# people and for other CDNs.
TAG_METADATA: Final = "cache-tag"
TAG_HEADERS: Final = ("Cache-Tag", f"X-Amz-Meta-{TAG_METADATA.title()}")

STATIC: Final[Headers] = {
    "Vary": VARY,
    # Pictures are embedded by pages of other origins.
    "Cross-Origin-Resource-Policy": "cross-origin",
    # A picture is never anything else, whatever a browser thinks that it sees in it,
    "X-Content-Type-Options": "nosniff",
    # and opened by itself it can run and load nothing.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
"""What S3 cannot keep with an object; CloudFront's response headers policy has to add these."""


def product_tag(product_id: int) -> str:
    """The cache tag that every answer about a product's picture carries."""
    return f"product-{product_id}"


def etag(variant: Variant) -> str:
    """The strong entity tag (RFC 9110 8.8.3) of a variant of one version: each format, size
    and quality has its own, and it is known before any work is done."""
    return f'"{variant.key.removeprefix("v/")}"'


def picture(variant: Variant, *, pinned: bool, modified: datetime, sure: bool = True) -> Headers:
    """The headers of a variant of a known version, stored or just made.

    `pinned` says that the URL named the version, `modified` when it was uploaded; it is not
    `sure` if it may have been taken down and purged already.
    """
    lifetime = IMMUTABLE if pinned else UNVERSIONED
    return _described(variant) | {
        "Last-Modified": http_date(modified),
        "Cache-Control": lifetime if sure else MOMENT,
    }


def stand_in(variant: Variant) -> Headers:
    """The headers of a variant that is answered because the one in the asked format is still
    being made. Its entity tag is its own, and it has no date, which all formats would share: who
    keeps it is not told later that it is the right one."""
    return _described(variant) | {"Cache-Control": MOMENT}


def _described(variant: Variant) -> Headers:
    return {
        "Content-Type": variant.recipe.format.media_type,
        "ETag": etag(variant),
        "Accept-Ranges": "bytes",
        **_tags(variant.product_id),
        **STATIC,
    }


def _tags(product_id: int) -> Headers:
    return dict.fromkeys(TAG_HEADERS, product_tag(product_id))


def not_modified(headers: Headers) -> Headers:
    """Those of a picture's headers that a 304 repeats (RFC 9110 15.4.5), and the tags, by
    which CloudFront finds the renewed answer again."""
    kept = {"Cache-Control", "ETag", "Vary", *TAG_HEADERS}
    return {name: value for name, value in headers.items() if name in kept}


def missing(product_id: int) -> Headers:
    """The headers of a 404, or of the placeholder in its place; an upload purges it too."""
    return {"Cache-Control": MISSING, **_tags(product_id), **STATIC}


def refused() -> Headers:
    """The headers of a 400 or 403, which a correction of the ladder may take back."""
    return {"Cache-Control": UNKEPT, **STATIC}


def unavailable(seconds: int) -> Headers:
    """The headers of a 503 (never 429: CloudFront serves what it has on a 5xx only)."""
    return {"Cache-Control": UNKEPT, "Retry-After": str(max(1, seconds)), **STATIC}


def turning(seconds: int, *, is_versioned: bool = False) -> str:
    """The Cache-Control of what the API tells everybody, where it turns by itself in so many
    seconds: nobody may show it after that. What `is_versioned` is asked for anew each time."""
    return f"public, max-age={0 if is_versioned else seconds}, s-maxage={seconds}"


class ObjectHeaders(TypedDict):
    """What S3 keeps with an object and answers it with, as boto3's `put_object` names it."""

    ContentType: str
    CacheControl: str
    Metadata: dict[str, str]


def stored(variant: Variant) -> ObjectHeaders:
    """The headers that a variant is stored with, so that CloudFront can serve it from S3.

    Its key has a version, so there it is immutable. With STATIC, and with the ETag,
    Last-Modified and Accept-Ranges of S3's own, these are the headers of `picture`.
    """
    return {
        "ContentType": variant.recipe.format.media_type,
        "CacheControl": IMMUTABLE,
        "Metadata": {TAG_METADATA: product_tag(variant.product_id)},
    }


def http_date(moment: datetime) -> str:
    """RFC 9110 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`; `moment` has a time zone."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
