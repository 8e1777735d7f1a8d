"""The port to whoever moves money from a card, and a stand-in that moves none."""

import hashlib
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Decline(StrEnum):
    """Why a card was not charged, as it may be shown to its holder."""

    INSUFFICIENT_FUNDS = "insufficient-funds"
    EXPIRED_CARD = "expired-card"
    DO_NOT_HONOR = "do-not-honor"
    LIMIT_EXCEEDED = "limit-exceeded"


class Charge(Struct, frozen=True):
    """What the provider did: `reference` is its own name for it; `decline` says why nothing."""

    reference: str
    decline: Decline | None = None


class ProviderError(Exception):
    """The provider does not answer: the card may or may not have been charged."""


class PaymentProvider(Protocol):
    """Charges cards. What comes twice with the same key is done once, and answered alike."""

    async def charge(self, key: str, amount_minor: int) -> Charge:
        """Charge so many minor units. Raises ProviderError."""
        ...


class SimulatedProvider:
    """Declines a set share of charges. What it answers follows from the key alone, so that every
    process, and the same one after a crash, answers alike."""

    def __init__(self, decline_rate: float) -> None:
        self._decline_rate = decline_rate

    async def charge(self, key: str, amount_minor: int) -> Charge:  # noqa: ARG002
        """Charge nothing."""
        digest = hashlib.sha256(key.encode()).digest()
        reference = f"sim_{digest.hex()[:16]}"
        if int.from_bytes(digest[:4]) >= self._decline_rate * 2**32:
            return Charge(reference)
        reasons = list(Decline)
        return Charge(reference, reasons[digest[4] % len(reasons)])
