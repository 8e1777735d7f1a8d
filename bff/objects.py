"""The object store that the settings name, also for who has no application."""

from bff.settings import Settings
from imaging.shelves import Store


def store(settings: Settings) -> Store:
    """Where the settings say that pictures are kept."""
    return Store(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        originals=settings.s3_originals,
        variants=settings.s3_variants,
    )
