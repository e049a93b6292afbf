"""`serve`: a loaded model that answers on a Unix socket, one JSON object a line in each direction.

It listens on a socket in the output directory, or connects to one where the server listens (`connect`): then it says
`{"ready": true, "taskType", "labels"}` first, sees nothing writable, and ends with the connection.

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
from gristmill_ml.prepare import EPOCH, RawPreparer
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
        """Returns a value for each row and dataset column, and for each row the class and the base of its values.

        A row of several classes is explained for the class that is predicted for it, one of two for the second class.
        """
        from gristmill_ml import explain

        steps = getattr(self.model.pipeline, "named_steps", {})
        if self.model.task == "clustering" or "prepare" not in steps:
            return {
                "available": False,
                "reason": "only models for labels and numbers that Gristmill trained are explained",
            }
        background = frame if self.background is None else self.background
        found = explain.explain(self.model, frame, background, [str(n) for n in range(len(frame))], 42, None)
        if not found["available"] or len(found["values"]) < len(frame):
            return {"available": False, "reason": found.get("reason", "these are too many rows to explain at once")}
        values, base = np.asarray(found["values"]), np.full(len(frame), found["base_values"])
        classes: list[str | None] = [found["class"]] * len(frame)
        by_class = found.get("by_class")
        if by_class is not None:
            classes = self.model.predict(frame)["prediction"].tolist()
            values = np.stack([by_class[label]["values"][place] for place, label in enumerate(classes)])
            base = np.array([by_class[label]["base_value"] for label in classes])
        columns = list(dict.fromkeys(found["feature_columns"]))
        sums = np.zeros((len(frame), len(columns)))
        # A column that became several, one for each category, has their sum.
        np.add.at(sums.T, [columns.index(name) for name in found["feature_columns"]], values.T)
        parts = {
            "available": True,
            "columns": columns,
            "values": sums.tolist(),
            "base": base.tolist(),
            "classes": classes,
        }
        return {**parts, "output": found["output"], "explainer": found["explainer"]}

    def warm_up(self, sample: Any, explain: bool) -> None:
        """Answers once, so that the first who asks need not wait for libraries that load when they are used."""
        for operation in ("predict", "explain") if explain else ("predict",):
            self.answer(json.dumps({"op": operation, "rows": [sample]}, default=str).encode())


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


def background_rows(baseline: dict[str, Any], model: Model) -> pd.DataFrame | None:
    """Returns rows to compare with, drawn column by column from what baseline.json tells of the training rows.

    Which other rows are in a request must not change an explanation, and rows of the training are not kept here.
    """
    prepare = getattr(model.pipeline, "named_steps", {}).get("prepare")
    if not isinstance(prepare, RawPreparer):
        return None
    random = np.random.default_rng(42)
    columns: dict[str, Any] = {}
    for column in prepare.columns_:
        counts = baseline.get("categorical", {}).get(column.name)
        quantiles = baseline.get("numeric", {}).get(column.name, {}).get("quantiles")
        if counts:
            chances = np.array(list(counts.values()), dtype=np.float64)
            drawn: Any = random.choice(
                np.array(list(counts), dtype=object), EXPLAIN_BACKGROUND, p=chances / chances.sum()
            )
        elif quantiles:
            shares = np.linspace(0.01, 0.99, EXPLAIN_BACKGROUND) * (len(quantiles) - 1)
            drawn = random.permutation(np.interp(shares, np.arange(len(quantiles)), quantiles))
            if column.kind == "date":
                drawn = EPOCH + pd.to_timedelta(drawn, unit="D")
        else:
            drawn = np.full(EXPLAIN_BACKGROUND, None, dtype=object)
        columns[column.name] = drawn
    return pd.DataFrame(columns)


def read_background(spec: Reader, directory: Path, root: Path, model: Model) -> pd.DataFrame | None:
    """Returns rows of the file `background`, or what baseline.json beside the model gives, or None."""
    if spec.has("background"):
        table = read_table(spec.file("background", directory), "background")
        chosen = np.random.default_rng(42).permutation(len(table))[:EXPLAIN_BACKGROUND]
        return table.frame.iloc[np.sort(chosen)]
    path = root / "baseline.json"
    return background_rows(json.loads(path.read_text(encoding="utf-8")), model) if path.is_file() else None


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Answers until it is told to stop: by a request, SIGTERM, the file `cancel`, or the end of its connection."""
    read_limits(spec)
    # The server writes the spec; a model of its own is mounted where it says.
    root = Path(spec.text("modelDirectory", str(directory)))
    model = load_model(spec, root)
    server = Server(model, read_background(spec, directory, root, model))
    if spec.has("connect"):
        signature = root / "signature.json"
        if signature.is_file():
            sample = json.loads(signature.read_text(encoding="utf-8")).get("sampleRequest")
            server.warm_up(sample, spec.data.get("explain") is True)
        _connect(Path(spec.text("connect")), server, progress)
    else:
        _listen(inside(out, spec.text("socket", "model.sock"), "socket"), server, progress)
    return {"type": "done"}


def _connect(path: Path, server: Server, progress: Progress) -> None:
    slots = threading.BoundedSemaphore(1)
    slots.acquire()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        ready = {"ready": True, "taskType": server.model.task, "labels": server.model.labels}
        connection.sendall(json.dumps(ready, ensure_ascii=False).encode() + b"\n")
        progress.emit(
            {"type": "ready", "socket": path.name, "taskType": server.model.task, "labels": server.model.labels}
        )
        _converse(connection, server, slots)


def _listen(path: Path, server: Server, progress: Progress) -> None:
    if len(str(path).encode()) > 107:
        raise bad("socket", "the path of the socket is longer than 107 bytes")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(CONNECTIONS_MAX)
        listener.settimeout(POLL_SECONDS)
        progress.emit(
            {"type": "ready", "socket": path.name, "taskType": server.model.task, "labels": server.model.labels}
        )
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
