"""Speaks with the server: one JSON object in a line, questions in, answers out, over a Unix socket.

In: `{"id", "op", "code", "line", "column", "cells": [{"cellId", "content", "position"}], "currentCellId",
"datasets"?: [{"id", "filename", "columns"}], "variables"?: {name: {"type", "columns"?}}}`. Datasets and variables stay
until they are sent again. Out: `{"id", "answer"}`, `{"id", "error"}`, and `{"ready": true}` once.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from .cells import Cell
from .engine import Engine, Question
from .frames import Dataset
from .prelude import Variable

LINE_MAX = 32 * 1024 * 1024
# The server gives up sooner; the answer may still be worth having, since it makes the next one fast.
WORK_SECONDS = 4.0
# Warming begins with what everything needs, while nobody can ask; the server gives up a start that takes too long.
START_SECONDS = 120.0
WARM_SECONDS = 8.0
# Warming does not get in between the keys of somebody who types.
QUIET_SECONDS = 0.3


class OutOfTime(BaseException):
    """Work took too long. Not an `Exception`: nobody on the way may swallow it."""


class Inbox:
    """Questions that wait, read by a thread of their own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                line = self._stream.readline(LINE_MAX)
            except OSError:
                line = b""
            message = None
            if line.endswith(b"\n"):
                try:
                    message = json.loads(line)
                except (ValueError, RecursionError):
                    message = None
            with self._changed:
                if message is None:
                    self._closed = True
                elif isinstance(message, dict):
                    self._waiting.append(message)
                self._changed.notify()
                if self._closed:
                    return

    def take(self, seconds: float | None) -> dict[str, Any] | None:
        """The next question; none when none came in this time, or when there will be none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, seconds)
            return self._waiting.popleft() if self._waiting else None

    @property
    def ended(self) -> bool:
        """Whether all is read and answered."""
        with self._changed:
            return self._closed and not self._waiting

    def superseded(self, message: dict[str, Any]) -> bool:
        """Whether a newer question for completions in the same cell waits."""
        if message.get("op") != "completions":
            return False
        with self._changed:
            return any(
                later.get("op") == "completions" and later.get("currentCellId") == message.get("currentCellId")
                for later in self._waiting
            )


class Worker:
    """Answers what comes, and uses the time between."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        signal.signal(signal.SIGALRM, _out_of_time)

    def serve(self, connection: socket.socket) -> None:
        """Returns when the other side has closed."""
        inbox = Inbox(connection.makefile("rb"))
        self._guarded(self._engine.warm_first, START_SECONDS)
        _freeze()
        _send(connection, {"ready": True})
        busy, patience = True, QUIET_SECONDS
        while not inbox.ended:
            message = inbox.take(patience if busy else None)
            if message is not None:
                busy, patience = True, QUIET_SECONDS
                _send(connection, self.answer(message, superseded=inbox.superseded(message)))
            elif busy:
                busy, patience = bool(self._guarded(self._engine.idle_step, WARM_SECONDS)), 0.0
                if not busy:
                    _freeze()

    def answer(self, message: dict[str, Any], *, superseded: bool = False) -> dict[str, Any]:
        """The answer to one message."""
        number = message.get("id")
        try:
            self._take_context(message)
            if superseded:
                return {"id": number, "answer": {"completions": []}}
            question = _question(message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return {"id": number, "error": f"malformed question: {error!r}"[:500]}
        answer = self._guarded(lambda: self._engine.answer(question))
        return {"id": number, "answer": answer} if answer is not None else {"id": number, "error": "failed"}

    def _take_context(self, message: dict[str, Any]) -> None:
        if (datasets := message.get("datasets")) is not None:
            self._engine.datasets = tuple(
                Dataset(item["id"], item["filename"], tuple((str(name), str(kind)) for name, kind in item["columns"]))
                for item in datasets
            )
        if (variables := message.get("variables")) is not None:
            self._engine.variables = {
                str(name): Variable(
                    str(item["type"]), tuple(map(str, item["columns"])) if item.get("columns") is not None else None
                )
                for name, item in variables.items()
            }

    def _guarded(self, work: Callable[[], Any], seconds: float = WORK_SECONDS) -> Any:
        """Does work within its time; none when it failed. What was inferred half is forgotten then."""
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                return work()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except (Exception, OutOfTime):
            self._engine.reset()
            return None


def _question(message: dict[str, Any]) -> Question:
    cells = [
        Cell(str(cell["cellId"]), str(cell["content"]), float(cell["position"])) for cell in message.get("cells") or []
    ]
    current = message.get("currentCellId")
    return Question(
        str(message["op"]),
        str(message["code"]),
        int(message["line"]),
        int(message["column"]),
        cells,
        str(current) if current is not None else None,
    )


def _send(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _out_of_time(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


def _freeze() -> None:
    """What was parsed of libraries stays; looking through it again and again would take 100 ms each time."""
    gc.collect()
    gc.freeze()
