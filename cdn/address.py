"""A picture's public URL <-> the canonical path of the variant it names <-> the key in S3."""

import re
from typing import Final

import msgspec

from cdn.ladder import CENTRE, LADDER, LOSSLESS, WHITE, Fit, Focus, Format
from cdn.negotiation import preferred, saves_data
from cdn.parameters import Asked, ParameterError, asked
from cdn.recipe import Recipe, canonical
from cdn.recipe import parse as parse_recipe
from cdn.signature import KeyRing, SignatureError

__all__ = [
    "CENTRE",
    "CURRENT",
    "LADDER",
    "LOSSLESS",
    "WHITE",
    "AddressError",
    "Fit",
    "Focus",
    "Format",
    "KeyRing",
    "ParameterError",
    "Recipe",
    "SignatureError",
    "Variant",
    "of_key",
    "original_key",
    "parse",
    "product_in",
    "resolve",
    "sign",
    "variants_prefix",
]

CURRENT: Final = "current"
"""Stands in a canonical path for the version that a URL without `v` does not say."""

_MOST_ID: Final = 2**63 - 1
_PUBLIC: Final = re.compile(r"/products/([1-9][0-9]{0,18})")
_CANONICAL: Final = re.compile(
    r"/v/(?P<product>[1-9][0-9]{0,18})"
    r"/(?P<version>[A-Za-z0-9_-]{1,64})"
    r"(?:/(?P<signature>[a-z0-9]{1,16}\.[A-Za-z0-9_-]{43}))?"
    r"/(?P<file>[a-z0-9_.-]{1,80})"
)


class AddressError(ValueError):
    """A path is not the canonical one of any variant."""


class Variant(msgspec.Struct, frozen=True):
    """One rendering of a product's picture; without a `version` it is of the current one."""

    product_id: int
    version: str | None
    recipe: Recipe
    signature: str | None = None

    @property
    def path(self) -> str:
        """The canonical path: `/v/{id}/{version}/[{signature}/]{recipe}`."""
        signed = f"{self.signature}/" if self.signature else ""
        return f"/v/{self.product_id}/{self.version or CURRENT}/{signed}{self.recipe.file_name}"

    @property
    def key(self) -> str:
        """Where the variant is stored in S3.

        Raises ValueError without a version: what is stored under "current" would go on being
        served from S3 after the picture has changed.
        """
        if self.version is None:
            raise ValueError(f"{self.path} is not stored: say of which version it is, by at()")
        return self.path[1:]

    def at(self, version: str) -> "Variant":
        """The same rendering of one version."""
        return msgspec.structs.replace(self, version=None if version == CURRENT else version)

    def instead(self, format_: Format) -> "Variant":
        """The same rendering in another format, which stands in until this one is made."""
        ours = LADDER.auto_quality.get(self.recipe.format, ())
        theirs = LADDER.auto_quality.get(format_, ())
        quality = self.recipe.quality
        if theirs and (quality in ours or quality == LOSSLESS):
            quality = theirs[ours.index(quality) if quality in ours else 0]
        wish = msgspec.structs.replace(self.recipe, format=format_, quality=quality)
        exact = self.signature is not None
        return msgspec.structs.replace(self, recipe=canonical(wish, exact=exact))


def product_in(path: str) -> int | None:
    """The product whose picture a public path `/products/{id}` names, else None."""
    named = _PUBLIC.fullmatch(path)
    return _product_id(named[1]) if named else None


def resolve(
    product_id: int,
    query: str | bytes,
    *,
    accept: str = "",
    save_data: str = "",
    keys: KeyRing | None = None,
) -> Variant:
    """The variant that a public URL and the headers Accept and Save-Data ask for.

    `query` is the raw query string, for a framework's decoding may differ from the edge's.
    Raises ParameterError, and SignatureError for `s` without a key ring that knows it.
    """
    wanted = asked(query)
    variant = _variant(product_id, wanted, accept=accept, frugal=saves_data(save_data))
    _verify(variant, keys)
    return variant


def _variant(product_id: int, wanted: Asked, *, accept: str, frugal: bool) -> Variant:
    format_ = wanted.format or preferred(accept, animated=wanted.animated)
    wish = Recipe(
        width=wanted.width,
        height=wanted.height,
        fit=wanted.fit,
        focus=wanted.focus,
        quality=_quality(wanted.quality, format_, frugal=frugal),
        format=format_,
        background=wanted.background,
        animated=wanted.animated,
    )
    version = None if wanted.version == CURRENT else wanted.version
    recipe = canonical(wish, exact=wanted.signature is not None)
    return Variant(product_id, version, recipe, wanted.signature)


def _quality(asked_for: int | None, format_: Format, *, frugal: bool) -> int:
    if asked_for is not None:
        return LADDER.quality(asked_for, save_data=frugal)
    return LADDER.auto_quality.get(format_, (LOSSLESS, LOSSLESS))[frugal]


def parse(path: str, keys: KeyRing | None = None) -> Variant:
    """The variant at a canonical path: `parse(variant.path) == variant`.

    Raises AddressError for whatever canonicalisation cannot have produced, so that nobody has
    a variant rendered past the ladder, and SignatureError as `resolve` does.
    """
    variant = _parsed(path)
    if variant is None:
        raise AddressError("This path is not the canonical one of a picture.")
    _verify(variant, keys)
    return variant


def of_key(key: str) -> Variant:
    """The variant stored under a key; what is stored was verified before.

    Raises AddressError for a key that is not a variant's.
    """
    variant = _parsed(f"/{key}")
    if variant is None or variant.version is None:
        raise AddressError("This key is not a variant's.")
    return variant


def _parsed(path: str) -> Variant | None:
    parts = _CANONICAL.fullmatch(path)
    if parts is None:
        return None
    product_id = _product_id(parts["product"])
    recipe = parse_recipe(parts["file"], exact=parts["signature"] is not None)
    if product_id is None or recipe is None:
        return None
    version = None if parts["version"] == CURRENT else parts["version"]
    return Variant(product_id, version, recipe, parts["signature"])


def _product_id(digits: str) -> int | None:
    return int(digits) if int(digits) <= _MOST_ID else None


def _verify(variant: Variant, keys: KeyRing | None) -> None:
    if variant.signature is None:
        return
    if keys is None:
        raise SignatureError("Signed pictures are not served here: no key is configured.")
    version = variant.version or CURRENT
    keys.verify(variant.signature, variant.product_id, version, variant.recipe.geometry)


def sign(product_id: int, query: str, keys: KeyRing) -> str:
    """The public URL of a picture with exactly the sizes and the colour of `query`.

    Raises ParameterError.
    """
    pairs = [pair for pair in query.split("&") if pair and not pair.startswith("s=")]
    # Any signature will do to have the query read as one that may leave the ladder.
    placeholder = f"s={keys.sign(product_id, CURRENT, '')}"
    wanted = asked("&".join([*pairs, placeholder]))
    variant = _variant(product_id, wanted, accept="", frugal=False)
    signature = keys.sign(product_id, variant.version or CURRENT, variant.recipe.geometry)
    return f"/products/{product_id}?{'&'.join([*pairs, f's={signature}'])}"


def original_key(product_id: int, name: str) -> str:
    """The key of an original in S3, in a bucket of its own; no two uploads have the same name."""
    return f"products/{product_id}/{name}"


def variants_prefix(product_id: int, version: str) -> str:
    """What the keys of all variants of one version begin with, for deleting them."""
    return f"{product_prefix(product_id)}{version}/"


def product_prefix(product_id: int) -> str:
    """What the keys of all variants of a product begin with, whatever their version."""
    return f"v/{product_id}/"
