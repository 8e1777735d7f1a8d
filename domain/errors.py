"""What can go wrong in the cafeteria, in its own words; `bff` knows what each means in HTTP."""

from datetime import datetime


class DomainError(Exception):
    """Something was asked that cannot be done. `str(error)` may be shown to whoever asked."""


class NotFoundError(DomainError):
    """There is no such thing, or it is none of the caller's business."""

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"There is no {kind} {key}.")


class InvalidError(DomainError):
    """The request contradicts the rules whatever the state of the world."""


class ConflictError(DomainError):
    """The request contradicts the present state of the world."""


class ClosedError(ConflictError):
    """The cafeteria takes no orders at this moment; it opens at `opens_at`, if that is known."""

    def __init__(self, cafeteria: str, opens_at: datetime | None) -> None:
        opens = f"; it opens at {opens_at:%Y-%m-%dT%H:%M}Z" if opens_at else ""
        super().__init__(f"{cafeteria} takes no orders now{opens}.")
        self.opens_at = opens_at


class PriceError(ConflictError):
    """The total is not the one that was expected; `total_minor` is what it would cost now."""

    def __init__(self, total_minor: int) -> None:
        super().__init__("The prices have changed.")
        self.total_minor = total_minor


class FundsError(ConflictError):
    """There is less in the wallet than `total_minor`: `balance_minor`."""

    def __init__(self, total_minor: int, balance_minor: int) -> None:
        super().__init__("There is not enough money in the wallet.")
        self.total_minor = total_minor
        self.balance_minor = balance_minor


class MovedOnError(ConflictError):
    """An order is no more what the caller has seen: it has this `version` and `status` now."""

    def __init__(self, message: str, version: int, status: str) -> None:
        super().__init__(message)
        self.version = version
        self.status = status


class ChangedError(ConflictError):
    """What is to be changed is no more what the caller has seen: it has this `version` now."""

    def __init__(self, version: int) -> None:
        super().__init__("It was changed meanwhile; look at it again.")
        self.version = version


class IllegalMoveError(MovedOnError):
    """An order of this `status` never becomes what was asked for."""


class PositionLostError(DomainError):
    """What came since cannot be told: the position is of another database than there is now."""

    def __init__(self) -> None:
        super().__init__("Read the list again, from a new position.")


class InFlightError(ConflictError):
    """The same request is being answered at this moment."""

    def __init__(self) -> None:
        super().__init__("A request with this key is being answered; ask again for its answer.")


class KeyReusedError(InvalidError):
    """A key that stands for one request came with another."""

    def __init__(self) -> None:
        super().__init__("This key was sent with another request; take a new one for this.")


class CredentialsError(DomainError):
    """Who the caller is could not be established."""


class ForbiddenError(DomainError):
    """It is known who asks, and it is not theirs to do."""


class UnavailableError(DomainError):
    """A part that is needed does not answer; the same request may succeed in `retry_after` s."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after
