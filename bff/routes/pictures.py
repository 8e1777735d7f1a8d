"""A product's picture for those who run the counter: upload it, look how far it is, remove it."""

from typing import Annotated, Any

from litestar import Request, delete, get, put
from litestar.di import NamedDependency
from litestar.params import PathParameter
from msgspec import structs

from bff.edge import kinds
from bff.edge.problems import declared
from bff.representation.views import CARD_SIZES, View
from bff.routes.inputs import MOST_ID
from cdn.srcset import srcset
from domain.accounts import Principal
from domain.catalogue import Catalogue
from domain.errors import ForbiddenError, NotFoundError
from imaging.intake import Intake
from imaging.picture import LIMITS
from imaging.preparation import Preparation

ProductId = Annotated[int, PathParameter(ge=1, le=MOST_ID)]
BEARER = [{"bearer": list[str]()}]
PROBLEMS = (
    kinds.INVALID_PARAMETER,
    kinds.UNAUTHENTICATED,
    kinds.FORBIDDEN,
    kinds.NOT_FOUND,
    kinds.UNAVAILABLE,
)


class UploadedView(View, frozen=True):
    """What a page needs to show a picture: the sources and size for its place, a blur of it
    (ThumbHash, base64) and its main colour until it comes."""

    version: str
    url: str
    srcset: str
    sizes: str
    width: int
    height: int
    thumbhash: str
    color: str


class PreparationView(View, frozen=True):
    """How many of the common variants of a version are made; further ones are made when asked."""

    version: str
    done: int
    total: int


@put(
    "/api/products/{product_id:int}/picture",
    summary="Upload a product's picture",
    tags=["pictures"],
    security=BEARER,
    responses=declared(*PROBLEMS, kinds.BODY_TOO_LARGE, *kinds.REFUSED_PICTURES, kinds.OVERLOADED),
    # Streamed, and measured while it comes; the framework's own limit is for JSON.
    request_max_body_size=LIMITS.bytes + 1,
)
async def upload_picture(
    request: Request[Any, Any, Any],
    product_id: ProductId,
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
    intake: NamedDependency[Intake],
) -> UploadedView:
    """Put a JPEG, PNG, WebP, GIF or AVIF as the body. One that cannot be decoded is refused, and
    the old picture stays. Staff of the product's cafeteria, and administrators."""
    await _require_counter(principal, catalogue, product_id)
    picture = await intake.accept(product_id, request.stream())
    sources = srcset(
        product_id,
        picture.version,
        picture.width,
        picture.height,
        sizes=CARD_SIZES,
        thumbhash=picture.thumbhash,
        color=picture.color,
    )
    return UploadedView(picture.version, **structs.asdict(sources))


@delete(
    "/api/products/{product_id:int}/picture",
    summary="Remove a product's picture",
    tags=["pictures"],
    security=BEARER,
    responses=declared(*PROBLEMS),
)
async def remove_picture(
    product_id: ProductId,
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
    intake: NamedDependency[Intake],
) -> None:
    """The product has no picture any more; removing none is no error."""
    await _require_counter(principal, catalogue, product_id)
    await intake.remove(product_id)


@get(
    "/api/products/{product_id:int}/picture/preparation",
    summary="How far the variants of an upload are",
    tags=["pictures"],
    security=BEARER,
    responses=declared(*PROBLEMS),
)
async def picture_preparation(
    product_id: ProductId,
    principal: NamedDependency[Principal],
    catalogue: NamedDependency[Catalogue],
    preparation: NamedDependency[Preparation],
) -> PreparationView:
    """How far the picture is that the product has now; 404 without one."""
    await _require_counter(principal, catalogue, product_id)
    picture = await catalogue.picture(product_id)
    if picture is None:
        raise NotFoundError("picture of product", product_id)
    progress = await preparation.progress(product_id, picture.version)
    return PreparationView(progress.version, progress.done, progress.total)


async def _require_counter(principal: Principal, catalogue: Catalogue, product_id: int) -> None:
    if not principal.runs(await catalogue.cafeteria_of(product_id)):
        raise ForbiddenError("Pictures are changed by the staff of the product's cafeteria.")
