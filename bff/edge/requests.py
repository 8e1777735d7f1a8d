"""A request as Litestar knows it, but that its JSON has to be called JSON."""

from http import HTTPStatus
from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException


class ApiRequest(Request[Any, Any, Any]):
    """Refuses a JSON body of another Content-Type, or of none; Litestar would read it."""

    async def json(self) -> Any:
        media_type, _ = self.content_type
        if media_type != RequestEncodingType.JSON:
            raise ClientException(
                f"Send it as {RequestEncodingType.JSON.value}, and say so in Content-Type.",
                status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                # RFC 9110 12.5.1: what would have been taken.
                headers={"Accept": RequestEncodingType.JSON.value},
            )
        return await super().json()
