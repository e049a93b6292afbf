"""The one error that commands raise on purpose: a code for programs, a message for a person, the field it is about."""

from __future__ import annotations

EXIT_INTERNAL = 1
EXIT_BAD_INPUT = 2
EXIT_CANCELLED = 3
EXIT_OUT_OF_BUDGET = 4


class MlError(Exception):
    """Something that the caller can act on. `field` is a path into spec.json, or a column as `columns.<name>`."""

    def __init__(self, code: str, message: str, field: str | None = None, exit_code: int = EXIT_BAD_INPUT) -> None:
        """Keeps the parts apart, so that the line on stdout has them."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.exit_code = exit_code


class Cancelled(MlError):
    """The command was asked to stop, by SIGTERM or by the file `cancel` in its input directory."""

    def __init__(self) -> None:
        """Takes nothing: there is one way to be cancelled."""
        super().__init__("cancelled", "stopped because cancellation was requested", exit_code=EXIT_CANCELLED)


class OutOfTime(MlError):
    """The time budget of the spec was used up before there was a result to keep."""

    def __init__(self, seconds: float) -> None:
        """Names the budget that was used up."""
        super().__init__(
            "time_budget_exceeded",
            f"stopped after the time budget of {seconds:g} s; give it more time, fewer rows or a simpler model",
            "limits.timeSeconds",
            EXIT_OUT_OF_BUDGET,
        )
