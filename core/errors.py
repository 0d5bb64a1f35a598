"""The five ways something can go wrong, and nothing else.

An error carries a stored `code` (dotted, lower case) and plain `data`; the sentence a customer reads is found in the
catalogues under ``error.<code>``. HTTP numbers live at the web edge, not here.
"""

from typing import Any


class WattlineError(Exception):
    """The root of every error the hub raises on purpose."""

    def __init__(self, code: str, **data: Any) -> None:
        super().__init__(code)
        self.code = code
        self.data = data

    def __str__(self) -> str:
        return f"{self.code} {self.data}" if self.data else self.code


class Invalid(WattlineError):
    """It cannot be right: ask again. Web 422."""


class NotFound(WattlineError):
    """It is not there, or it is not yours: the two are never told apart. Web 404."""


class Refused(WattlineError):
    """A rule says no; the code says which rule. Web 403 or 409."""


class ProviderError(WattlineError):
    """The outside failed. `retryable` says whether trying again can help; `retry_after` is in seconds."""

    def __init__(self, code: str, *, retryable: bool = True, retry_after: float | None = None, **data: Any) -> None:
        super().__init__(code, **data)
        self.retryable = retryable
        self.retry_after = retry_after


class Later(Exception):
    """A handler asks to be rung again in `seconds`; it does not count as a failed attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"later in {seconds} s")
        self.seconds = seconds
