"""Speaks with the server: one JSON object in a line, texts in, vectors out.

Out first: `{"ready": true}`, once the model is loaded. In: `{"id", "texts": [...]}`. Out: `{"id", "answer":
{"dimension", "vectors"}}`, where `vectors` is base64 of little-endian 32-bit floats, one vector behind the other, each
of length one; or `{"id", "error"}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .encoder import Encoder
from .tokens import Tokens
from .weights import Floats

LINE_MAX = 64 * 1024 * 1024
TEXTS_MAX = 256
# Encoded together: more need more memory, and are no faster.
_TEXTS_AT_ONCE = 16


class Embeds(Protocol):
    """What turns texts into vectors."""

    dimension: int

    def __call__(self, texts: Sequence[str]) -> Sequence[Floats]:
        """Matrices whose rows are the texts' vectors, in order."""
        ...


class Model:
    """A model's directory, loaded."""

    def __init__(self, directory: Path) -> None:
        self._tokens = Tokens(directory)
        self._encoder = Encoder(directory)
        if self._tokens.length_max > self._encoder.length_max:
            raise ValueError("the model is made for shorter texts than its settings say")
        self.dimension = self._encoder.dimension

    def __call__(self, texts: Sequence[str]) -> list[Floats]:
        """A few texts at a time."""
        tokens = self._tokens.of(texts)
        starts = range(0, len(tokens), _TEXTS_AT_ONCE)
        return [self._encoder.encode(tokens[start : start + _TEXTS_AT_ONCE]) for start in starts]


def serve(embed: Embeds, read: BinaryIO, send: Callable[[bytes], Any]) -> None:
    """Answers line by line; returns when the other side has closed, or sends something else than lines of JSON."""
    send(_line({"ready": True}))
    while (line := read.readline(LINE_MAX)).endswith(b"\n"):
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        send(_line({"id": message.get("id"), **_answer(embed, message.get("texts"))}))


def _answer(embed: Embeds, texts: object) -> dict[str, Any]:
    if not isinstance(texts, list) or len(texts) > TEXTS_MAX or not all(isinstance(text, str) for text in texts):
        return {"error": f"`texts` must be a list of at most {TEXTS_MAX} texts"}
    numbers = b"".join(matrix.astype("<f4").tobytes() for matrix in embed(texts))
    return {"answer": {"dimension": embed.dimension, "vectors": base64.b64encode(numbers).decode()}}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
