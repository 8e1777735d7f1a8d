"""What can go wrong in the cafeteria, in its own words; `bff` knows what each means in HTTP."""


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


class CredentialsError(DomainError):
    """Who the caller is could not be established."""


class ForbiddenError(DomainError):
    """It is known who asks, and it is not theirs to do."""


class UnavailableError(DomainError):
    """A part that is needed does not answer; the same request may succeed in `retry_after` s."""

    def __init__(self, message: str, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after
