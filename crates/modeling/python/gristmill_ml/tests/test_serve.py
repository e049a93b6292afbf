from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from gristmill_ml.predict import Model
from gristmill_ml.serve import Server, background_rows
from helpers import Ran, arguments, dataset, environment, split, train

Ask = Callable[[Any], dict[str, Any]]


@contextmanager
def connected(place: Path, ran: Ran, **spec: Any) -> Generator[tuple[dict[str, Any], Ask, subprocess.Popen[str]]]:
    """A server's side of the socket, with a worker that has connected to it."""
    place.mkdir(exist_ok=True)
    path = place / "server.sock"
    shutil.copytree(ran.out, place / "model", ignore=shutil.ignore_patterns("*.parquet"))
    order = {"version": 1, "limits": {"cpus": 1}, "connect": str(path), "modelDirectory": str(place / "model"), **spec}
    (place / "spec.json").write_text(json.dumps(order))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(60)
        worker = subprocess.Popen(arguments("serve", place), stdout=subprocess.PIPE, text=True, env=environment())
        try:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:

                def ask(request: Any) -> dict[str, Any]:
                    stream.write(json.dumps(request).encode() + b"\n")
                    stream.flush()
                    return json.loads(stream.readline())

                yield json.loads(stream.readline()), ask, worker
        finally:
            worker.kill()
            worker.wait()


def test_connects_where_the_server_listens_and_ends_with_the_connection(forest: Ran, tmp_path: Path) -> None:
    sample = forest.json("signature.json")["sampleRequest"]
    with connected(tmp_path / "c", forest, explain=True) as (ready, ask, worker):
        labels = ["Adelie", "Chinstrap", "Gentoo"]
        assert ready == {"ready": True, "taskType": "classification", "labels": labels}
        answer = ask({"id": 1, "op": "predict", "rows": [sample]})
        assert answer["result"][0]["prediction"] in labels
        assert ask({"id": 2, "op": "predict", "rows": []})["error"]["code"] == "invalid_request"
        assert ask({"id": 3, "op": "health"})["result"]["ready"]
    assert worker.wait(timeout=20) in (0, -9)


def test_explains_each_row_for_its_own_class_whatever_is_beside_it(forest: Ran) -> None:
    model = Model(joblib.load(forest.out / "model.joblib"), "classification")
    server = Server(model, background_rows(forest.json("baseline.json"), model))
    frame, target = dataset("penguins")
    rows = frame.drop(columns=target).groupby(frame[target]).head(1)
    rows = json.loads(str(rows.drop(columns="__row_id", errors="ignore").to_json(orient="records")))

    def explained(chosen: list[Any]) -> dict[str, Any]:
        return server.answer(json.dumps({"op": "explain", "rows": chosen}).encode())["result"]

    together = explained(rows)
    assert together["available"] and len(set(together["classes"])) == 3
    assert together["columns"] == list(dict.fromkeys(together["columns"])) and "island" in together["columns"]
    for place, row in enumerate(rows):
        alone = explained([row])
        assert alone["classes"][0] == together["classes"][place]
        np.testing.assert_allclose(alone["values"][0], together["values"][place], atol=1e-9)
        # Values and base add up to the probability of the class.
        answer = server.answer(json.dumps({"op": "predict", "rows": [row]}).encode())["result"][0]
        total = sum(alone["values"][0]) + alone["base"][0]
        assert total == pytest.approx(answer["probabilities"][alone["classes"][0]], abs=1e-3)


def test_sampled_explanations_need_no_training_rows(tmp_path: Path) -> None:
    frame, target = dataset("mixed")
    inside, _ = split(frame)
    quick = {"cv": None, "learningCurve": None, "onnx": False}
    ran = train(tmp_path / "knn", inside, "knn_classifier", target, **quick)
    model = Model(joblib.load(ran.out / "model.joblib"), "classification")
    behind = background_rows(ran.json("baseline.json"), model)
    assert behind is not None and len(behind) == 50
    assert {column.name for column in model.pipeline.named_steps["prepare"].columns_} == set(behind.columns)
    server = Server(model, behind)
    rows = [ran.json("signature.json")["sampleRequest"]] * 2
    result = server.answer(json.dumps({"op": "explain", "rows": rows}).encode())["result"]
    assert result["available"] and result["explainer"] == "permutation", result
    assert np.abs(result["values"]).sum() > 0


def test_says_why_a_foreign_model_is_not_explained() -> None:
    from sklearn.linear_model import LogisticRegression

    foreign = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    answer = Server(Model(foreign, "classification"), None).answer(b'{"op": "explain", "rows": [{"a": 1}]}')
    assert not answer["result"]["available"] and "Gristmill" in answer["result"]["reason"]
