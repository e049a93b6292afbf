"""Talks to the server: JSON lines on the real stdout, cancellation, and the watch over the time budget.

Libraries print what they like; `claim_stdout` sends all of that to stderr, so that stdout holds JSON lines only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from gristmill_ml.errors import EXIT_CANCELLED, EXIT_OUT_OF_BUDGET, Cancelled, MlError, OutOfTime

# How long a step that cannot look at the flag (a fit in C) may go on before the process ends under it.
GRACE_SECONDS = 1.5
POLL_SECONDS = 0.1


def claim_stdout() -> TextIO:
    """Returns a private handle on stdout, and points everything else that writes to stdout, C code too, at stderr."""
    private = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return private


class Progress:
    """Emits events, knows whether the command was cancelled, and ends the process when it will not stop by itself.

    `last_words` is called by the watch just before it ends the process, to save what there is (the best trial so far);
    it returns the exit code.
    """

    def __init__(self, out: TextIO | None = None, cancel_file: Path | None = None) -> None:
        """Starts with no budget; `watch` starts the thread."""
        self._out = out
        self._lock = threading.Lock()
        self._cancel_file = cancel_file
        self._cancelled = threading.Event()
        self._finished = threading.Event()
        self.started = time.monotonic()
        self.time_budget: float | None = None
        self.last_words: Callable[[], int] | None = None

    def emit(self, event: dict[str, Any]) -> None:
        """Writes one line. NaN and infinities become null, which is the only way JSON can carry them."""
        line = json.dumps(finite(event), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if self._out is None:
            return
        with self._lock:
            try:
                self._out.write(line + "\n")
                self._out.flush()
            except (BrokenPipeError, ValueError):
                # Nobody reads any more; the result files still count.
                self._out = None

    def stage(self, stage: str, progress: float, **more: Any) -> None:
        """Says what is going on now and how much is done, from 0 to 1."""
        self.check()
        self.emit({"type": "progress", "stage": stage, "progress": round(progress, 3), **more})

    def warning(self, message: str) -> None:
        """Tells a person about something that did not stop the command."""
        self.emit({"type": "warning", "message": message})

    @property
    def cancelled(self) -> bool:
        """Tells whether cancellation was requested."""
        if self._cancel_file is not None and self._cancel_file.exists():
            self._cancelled.set()
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises when the command should stop. Called between steps."""
        if self.cancelled:
            raise Cancelled
        remaining = self.remaining()
        if remaining is not None and remaining <= 0 and self.time_budget is not None:
            raise OutOfTime(self.time_budget)

    def elapsed(self) -> float:
        """Returns the seconds since the command started."""
        return time.monotonic() - self.started

    def remaining(self) -> float | None:
        """Returns the seconds left of the budget, or None where there is none."""
        return None if self.time_budget is None else self.time_budget - self.elapsed()

    def watch(self) -> None:
        """Listens for SIGTERM and starts the thread that ends a process which does not stop by itself."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._cancelled.set())
        threading.Thread(target=self._guard, daemon=True, name="watch").start()

    def finish(self) -> None:
        """Stops the watch: the command has ended."""
        self._finished.set()

    def _guard(self) -> None:
        deadline: float | None = None
        cause: MlError | None = None
        while not self._finished.wait(POLL_SECONDS):
            remaining = self.remaining()
            if cause is None and self.cancelled:
                cause, deadline = Cancelled(), time.monotonic() + GRACE_SECONDS
            elif cause is None and remaining is not None and remaining <= 0 and self.time_budget is not None:
                cause, deadline = OutOfTime(self.time_budget), time.monotonic() + GRACE_SECONDS
            if cause is not None and deadline is not None and time.monotonic() > deadline:
                self._end(cause)

    def _end(self, cause: MlError) -> None:
        code = EXIT_CANCELLED if isinstance(cause, Cancelled) else EXIT_OUT_OF_BUDGET
        words = self.last_words
        if words is not None:
            code = words()
        else:
            self.emit(error_event(cause))
        os._exit(code)


def error_event(error: MlError) -> dict[str, Any]:
    """Returns the line that a failed command ends with."""
    event: dict[str, Any] = {"type": "error", "code": error.code, "message": error.message}
    if error.field is not None:
        event["field"] = error.field
    return event


def finite(value: Any) -> Any:
    """Returns a copy that strict JSON can hold: numpy's scalars and arrays as Python's, NaN and infinities as None."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    return str(value)


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON beside the place and then moves it there, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError):
        # Something in it is NaN or numpy's; copying all of it costs seconds for wide tables, so only then.
        text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
