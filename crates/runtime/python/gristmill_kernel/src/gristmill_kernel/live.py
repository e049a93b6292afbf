"""What a kernel holds, for completions: names, types, columns of tables. Never a value."""

import signal
import sys
import threading
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

#: What is told at most; the server keeps to the same limits.
NAMES_MAX = 200
COLUMNS_MAX = 500
TEXT_MAX = 200
ROOM_MAX = 100_000
#: A cell that comes meanwhile waits for no longer than this.
SECONDS_MAX = 0.2


class OutOfTimeError(BaseException):
    """Looking took too long. Not an ``Exception``: what is looked at may swallow those."""


def variables(namespace: Mapping[str, Any], hidden: Collection[str]) -> dict[str, dict[str, Any]]:
    """Tells what the namespace holds, the newest names first, as far as time and room go.

    Tables are asked for their columns; that is code of their library, or whatever was put in its place, so that it
    may do anything: it gets little time, and its failures are nobody's.
    """
    found: dict[str, dict[str, Any]] = {}
    room = ROOM_MAX
    with suppress(OutOfTimeError, Exception), _limited(SECONDS_MAX):
        for name, value in reversed(list(namespace.items())):
            if not isinstance(name, str) or name.startswith("_") or name in hidden or len(name) > TEXT_MAX:
                continue
            told = _told(value)
            room -= len(name) + len(told["type"]) + sum(map(len, told.get("columns", ())))
            if room < 0 or len(found) >= NAMES_MAX:
                break
            found[name] = told
    return found


def _told(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever code made
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    told: dict[str, Any] = {"type": name if len(name) <= TEXT_MAX else "object"}
    if _is_table(value):
        with suppress(Exception):
            columns = list(value.columns[:COLUMNS_MAX])
            told["columns"] = [column for column in columns if type(column) is str and len(column) <= TEXT_MAX]
    return told


def _is_table(value: Any) -> bool:  # noqa: ANN401
    # Nothing is imported: a table can only be there when its library is. Lazy ones would have to work for an answer.
    for library in ("pandas", "polars"):
        table = getattr(sys.modules.get(library), "DataFrame", None)
        # Not `isinstance`, which asks the value for its class.
        if isinstance(table, type) and table in type(value).__mro__:
            return True
    return False


@contextmanager
def _limited(seconds: float) -> Generator[None, None, None]:
    """Ends what is inside with ``OutOfTimeError``. Where code set an alarm of its own, nothing is looked at at all."""
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        raise OutOfTimeError
    before = signal.signal(signal.SIGALRM, _out_of_time)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            # None: it was set by something else than Python, which cannot be put back.
            signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


def _out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError
