"""The lines between the server and the worker."""

import base64
import io
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill_embed.server import TEXTS_MAX, Model, serve
from gristmill_embed.weights import Floats


class Lengths:
    """A vector that is a text's length."""

    dimension = 1

    def __call__(self, texts: Sequence[str]) -> list[Floats]:
        return [np.array([[len(text)]], np.float32) for text in texts]


def answers(lines: bytes) -> list[dict[str, Any]]:
    said: list[bytes] = []
    serve(Lengths(), io.BytesIO(lines), said.append)
    assert json.loads(said[0]) == {"ready": True}
    return [json.loads(line) for line in said[1:]]


def read(answer: dict[str, Any]) -> Floats:
    return np.frombuffer(base64.b64decode(answer["vectors"]), "<f4").reshape(-1, answer["dimension"])


def test_each_line_is_answered_by_its_number() -> None:
    one, other = answers(b'{"id": 7, "texts": ["", "ab"]}\n{"id": 8, "texts": []}\n')
    assert one["id"] == 7
    assert read(one["answer"]).tolist() == [[0.0], [2.0]]
    assert other == {"id": 8, "answer": {"dimension": 1, "vectors": ""}}


@pytest.mark.parametrize("texts", ['"a"', "[1]", "null", json.dumps([""] * (TEXTS_MAX + 1)), '{"a": "b"}'])
def test_what_is_no_list_of_texts_is_refused_and_the_next_is_answered(texts: str) -> None:
    refused, answered = answers(f'{{"id": 1, "texts": {texts}}}\n{{"id": 2, "texts": ["a"]}}\n'.encode())
    assert "at most" in refused["error"]
    assert refused["id"] == 1
    assert answered["id"] == 2


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_line_of_the_protocol_ends_it(line: bytes) -> None:
    assert answers(line + b'{"id": 2, "texts": []}\n') == []


def test_a_line_that_is_cut_off_is_none() -> None:
    assert answers(b'{"id": 1, "texts": []}') == []


def test_a_worker_connects_answers_and_ends_with_its_server(directory: Path, model: Model, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-m", "gristmill_embed", "serve", str(path), str(directory)]
        source = str(Path(__file__).parent.parent / "src")
        worker = subprocess.Popen(command, env={"PYTHONPATH": ":".join([source, *sys.path])})  # noqa: S603
        connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        assert json.loads(lines.readline()) == {"ready": True}
        connection.sendall(b'{"id": 1, "texts": ["The wheel turns."]}\n')
        answer = json.loads(lines.readline())["answer"]
    assert np.abs(read(answer) - next(iter(model(["The wheel turns."])))).max() < 1e-6
    assert worker.wait(30) == 0


def test_other_words_are_explained() -> None:
    from gristmill_embed.__main__ import main

    assert main(["serve"]) == 2
