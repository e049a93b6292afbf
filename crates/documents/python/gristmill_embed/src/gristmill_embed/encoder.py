"""The encoder: BERT's forward pass over texts that lie one behind the other, and the mean of each text's tokens.

Nothing is padded: what works on single tokens works on all of them at once, and attention works on one text at a time.
So a text's vector does not depend on what is asked together with it, and no time goes into tokens that are not there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .gelu import gelu_in_place
from .weights import Floats, read


class Dense(NamedTuple):
    """A linear map: `x @ weight + bias`."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Maps each row."""
        mapped = x @ self.weight
        mapped += self.bias
        return mapped


class Norm(NamedTuple):
    """Brings each row to mean 0 and variance 1, then to the learned scale and place."""

    scale: Floats
    shift: Floats
    epsilon: np.float32

    def in_place(self, x: Floats) -> Floats:
        """Changes the rows, and returns them."""
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
        x *= np.reciprocal(np.sqrt(variance + self.epsilon))
        x *= self.scale
        x += self.shift
        return x


class Layer(NamedTuple):
    """One layer. `projections` makes queries, keys and values in one; queries are scaled already."""

    projections: Dense
    attended: Dense
    attended_norm: Norm
    widened: Dense
    narrowed: Dense
    norm: Norm


class Encoder:
    """A model in memory."""

    def __init__(self, directory: Path) -> None:
        config = json.loads((directory / "config.json").read_bytes())
        pooling = json.loads((directory / "1_Pooling" / "config.json").read_bytes())
        if config["model_type"] != "bert" or config["hidden_act"] != "gelu" or not pooling["pooling_mode_mean_tokens"]:
            raise ValueError("this is not a model of the kind that is known here")
        self._heads = int(config["num_attention_heads"])
        self.dimension = int(config["hidden_size"])
        self.length_max = int(config["max_position_embeddings"])
        tensors = read(directory / "model.safetensors")
        epsilon = np.float32(config["layer_norm_eps"])
        self._words = tensors["embeddings.word_embeddings.weight"]
        # All texts are of the first kind.
        kind = tensors["embeddings.token_type_embeddings.weight"][0]
        self._positions = tensors["embeddings.position_embeddings.weight"] + kind
        self._norm = _norm(tensors, "embeddings.LayerNorm", epsilon)
        count = int(config["num_hidden_layers"])
        self._layers = [_layer(tensors, f"encoder.layer.{number}", self._heads, epsilon) for number in range(count)]

    def encode(self, texts: Sequence[Sequence[int]]) -> Floats:
        """A vector of length one for each sequence of tokens, none of which is empty."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        lengths = np.array([len(text) for text in texts])
        ends = np.cumsum(lengths)
        starts = ends - lengths
        x = self._words[np.concatenate([np.asarray(text, dtype=np.intp) for text in texts])]
        x += self._positions[np.concatenate([np.arange(length) for length in lengths])]
        x = self._norm.in_place(x)
        spans = list(zip(starts.tolist(), ends.tolist(), strict=True))
        for layer in self._layers:
            attended = layer.attended(self._attend(layer.projections(x), spans))
            attended += x
            x = layer.attended_norm.in_place(attended)
            narrowed = layer.narrowed(gelu_in_place(layer.widened(x)))
            narrowed += x
            x = layer.norm.in_place(narrowed)
        means = np.add.reduceat(x, starts, axis=0)
        means /= lengths[:, None].astype(np.float32)
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-12))
        return means

    def _attend(self, projected: Floats, spans: list[tuple[int, int]]) -> Floats:
        """What each token takes from the tokens of its text."""
        attended = np.empty((len(projected), self.dimension), np.float32)
        for start, end in spans:
            # Queries, keys and values of each head: (3, heads, tokens, width of a head).
            parts = projected[start:end].reshape(end - start, 3, self._heads, -1).transpose(1, 2, 0, 3)
            weights = parts[0] @ parts[1].transpose(0, 2, 1)
            weights -= weights.max(axis=2, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=2, keepdims=True)
            attended[start:end] = (weights @ parts[2]).transpose(1, 0, 2).reshape(end - start, -1)
        return attended


def _dense(tensors: dict[str, Floats], name: str) -> Dense:
    return Dense(tensors[f"{name}.weight"].T, tensors[f"{name}.bias"])


def _norm(tensors: dict[str, Floats], name: str, epsilon: np.float32) -> Norm:
    return Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"], epsilon)


def _layer(tensors: dict[str, Floats], name: str, heads: int, epsilon: np.float32) -> Layer:
    parts = [_dense(tensors, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    width = parts[0].weight.shape[1] // heads
    scale = np.float32(1 / math.sqrt(width))
    parts[0] = Dense(parts[0].weight * scale, parts[0].bias * scale)
    weight = np.ascontiguousarray(np.concatenate([part.weight for part in parts], axis=1))
    return Layer(
        projections=Dense(weight, np.concatenate([part.bias for part in parts])),
        attended=_dense(tensors, f"{name}.attention.output.dense"),
        attended_norm=_norm(tensors, f"{name}.attention.output.LayerNorm", epsilon),
        widened=_dense(tensors, f"{name}.intermediate.dense"),
        narrowed=_dense(tensors, f"{name}.output.dense"),
        norm=_norm(tensors, f"{name}.output.LayerNorm", epsilon),
    )
