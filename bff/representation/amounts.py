"""Amounts of money as they come in."""

from typing import Annotated

from msgspec import Meta

# What `domain.model.money.to_minor` takes. A dollar sign alone lets a line feed pass.
Amount = Annotated[
    str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$(?!\n)", description="like 12.50")
]
