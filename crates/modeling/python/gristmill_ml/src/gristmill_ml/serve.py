"""`serve`: a loaded model that answers on a Unix socket, one JSON object a line in each direction.

A request is `{"id", "op": "predict" | "explain" | "health" | "stop", "rows": [{column: value}], ...}`; its answer has
the same `id` and either `result` or `error: {code, message, field?}`. Requests of one connection are answered in order.
"""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.errors import MlError
from gristmill_ml.frames import PROBABILITY, read_table
from gristmill_ml.predict import Model, load_model
from gristmill_ml.prepare import RawPreparer
from gristmill_ml.progress import Progress, finite
from gristmill_ml.spec import Reader, bad, inside, read_limits

LINE_BYTES_MAX = 16 * 1024 * 1024
ROWS_MAX = 10_000
CONNECTIONS_MAX = 64
POLL_SECONDS = 0.25
EXPLAIN_BACKGROUND = 50


class Server:
    """Answers requests; `answer` is pure but for the model's own state."""

    def __init__(self, model: Model, background: pd.DataFrame | None) -> None:
        """Takes the model and, for explanations of models that need one, some rows to compare with."""
        self.model = model
        self.background = background
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Returns the answer to one line, whatever it holds."""
        number: Any = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise MlError("invalid_request", "a request is a JSON object")
            number = request.get("id")
            operation = request.get("op")
            if operation == "health":
                return {"id": number, "result": {"ready": True, "taskType": self.model.task}}
            if operation == "stop":
                self.stopping.set()
                return {"id": number, "result": {"stopping": True}}
            if operation not in ("predict", "explain"):
                raise MlError("invalid_request", "op must be predict, explain, health or stop", "op")
            frame = rows_frame(request.get("rows"), self.model)
            with self._lock:
                result = self._predict(frame) if operation == "predict" else self._explain(frame)
            return {"id": number, "result": finite(result)}
        except MlError as error:
            return {"id": number, "error": {"code": error.code, "message": error.message, "field": error.field}}
        except (ValueError, RecursionError) as error:
            return {"id": number, "error": {"code": "invalid_request", "message": str(error)[:300], "field": None}}
        except Exception as error:
            message = f"{type(error).__name__}: {error}"[:300]
            return {"id": number, "error": {"code": "internal", "message": message, "field": None}}

    def _predict(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        columns = self.model.predict(frame)
        predictions = columns.pop("prediction")
        answers: list[dict[str, Any]] = []
        for place, value in enumerate(predictions.tolist()):
            entry: dict[str, Any] = {"prediction": value}
            if self.model.task == "classification":
                chances = {name.removeprefix(PROBABILITY): float(column[place]) for name, column in columns.items()}
                entry["probabilities"] = chances or None
            answers.append(entry)
        return answers

    def _explain(self, frame: pd.DataFrame) -> dict[str, Any]:
        from gristmill_ml import explain

        background = frame if self.background is None else self.background
        return explain.explain(self.model, frame, background, [str(n) for n in range(len(frame))], 42, None)


def rows_frame(rows: Any, model: Model) -> pd.DataFrame:
    """Returns rows of JSON as a frame. Every needed column must be named by each row; null is a missing value."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise MlError("invalid_request", "rows must be a list of objects with at least one", "rows")
    if len(rows) > ROWS_MAX:
        raise MlError("invalid_request", f"at most {ROWS_MAX} rows a request", "rows")
    steps = getattr(model.pipeline, "named_steps", {})
    prepare = steps.get("prepare") if hasattr(steps, "get") else None
    if not isinstance(prepare, RawPreparer):
        return pd.DataFrame(rows)
    columns: dict[str, Any] = {}
    for column in prepare.columns_:
        absent = next((number for number, row in enumerate(rows) if column.name not in row), None)
        if absent is not None:
            message = f"row {absent} has no value for {column.name!r}; send null for a missing value"
            raise MlError("missing_column", message, f"columns.{column.name}")
        columns[column.name] = pd.Series([row[column.name] for row in rows], dtype=object)
        if any(isinstance(value, (list, dict)) for value in columns[column.name]):
            raise MlError("column_type", f"column {column.name!r} takes a plain value", f"columns.{column.name}")
    return pd.DataFrame(columns)


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Listens until it is told to stop, by a request, SIGTERM or the file `cancel`."""
    read_limits(spec)
    name = spec.text("socket", "model.sock")
    path = inside(out, name, "socket")
    if len(str(path).encode()) > 107:
        raise bad("socket", "the path of the socket is longer than 107 bytes")
    model = load_model(spec, directory)
    background = None
    if spec.has("background"):
        table = read_table(spec.file("background", directory), "background")
        chosen = np.random.default_rng(42).permutation(len(table))[:EXPLAIN_BACKGROUND]
        background = table.frame.iloc[np.sort(chosen)]
    server = Server(model, background)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(CONNECTIONS_MAX)
        listener.settimeout(POLL_SECONDS)
        progress.emit({"type": "ready", "socket": name, "taskType": model.task, "labels": model.labels})
        slots = threading.BoundedSemaphore(CONNECTIONS_MAX)
        while not server.stopping.is_set() and not progress.cancelled:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if not slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=_converse, args=(connection, server, slots), daemon=True).start()
    path.unlink(missing_ok=True)
    return {"type": "done"}


def _converse(connection: socket.socket, server: Server, slots: threading.BoundedSemaphore) -> None:
    try:
        with connection, connection.makefile("rwb") as stream:
            while line := stream.readline(LINE_BYTES_MAX + 1):
                if len(line) > LINE_BYTES_MAX:
                    error = {"code": "invalid_request", "message": "the request is larger than 16 MiB", "field": None}
                    answer: dict[str, Any] = {"id": None, "error": error}
                else:
                    answer = server.answer(line)
                stream.write(json.dumps(answer, ensure_ascii=False, allow_nan=False).encode() + b"\n")
                stream.flush()
                if len(line) > LINE_BYTES_MAX or server.stopping.is_set():
                    break
    except (OSError, ValueError):
        # The client went away, or sent half a request.
        pass
    finally:
        slots.release()
