"""The encoder against the plainest way to write it down, in double precision, on a small model made at random."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gristmill_embed.encoder import Encoder
from gristmill_embed.gelu import gelu_in_place

HIDDEN, HEADS, WIDE, LAYERS, WORDS, POSITIONS = 24, 4, 40, 3, 50, 32

Doubles = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]


def write(directory: Path, weights: Weights) -> None:
    offset, header, body = 0, {}, b""
    for name, tensor in weights.items():
        data = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        body += data
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (directory / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + body)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weights]:
    random = np.random.default_rng(7)

    def of(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": of(WORDS, HIDDEN),
        "embeddings.position_embeddings.weight": of(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": of(2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            weights[f"{layer}.attention.{part}.weight"] = of(HIDDEN, HIDDEN)
            weights[f"{layer}.attention.{part}.bias"] = of(HIDDEN)
        for part, shape in (("intermediate", (WIDE, HIDDEN)), ("output", (HIDDEN, WIDE))):
            weights[f"{layer}.{part}.dense.weight"] = of(*shape)
            weights[f"{layer}.{part}.dense.bias"] = of(shape[0])
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for norm in norms:
        weights[f"{norm}.weight"], weights[f"{norm}.bias"] = of(HIDDEN) + 1, of(HIDDEN)
    directory = tmp_path_factory.mktemp("small")
    write(directory, weights)
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
    }
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return directory, weights


def plain(weights: Weights, tokens: list[int]) -> Doubles:
    """One text, one token and one head after the other."""
    w = {name: tensor.astype(np.float64) for name, tensor in weights.items()}

    def dense(name: str, x: Doubles) -> Doubles:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: Doubles) -> Doubles:
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    embeddings = [w["embeddings.word_embeddings.weight"][token] for token in tokens]
    x = np.array(embeddings) + w["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm("embeddings.LayerNorm", x + w["embeddings.token_type_embeddings.weight"][0])
    width = HIDDEN // HEADS
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        query, key, value = (dense(f"{layer}.attention.self.{part}", x) for part in ("query", "key", "value"))
        context = np.zeros_like(x)
        for head in range(HEADS):
            own = slice(head * width, (head + 1) * width)
            for token in range(len(tokens)):
                scores = np.exp(key[:, own] @ query[token, own] / math.sqrt(width))
                context[token, own] = scores @ value[:, own] / scores.sum()
        x = norm(f"{layer}.attention.output.LayerNorm", x + dense(f"{layer}.attention.output.dense", context))
        wide = dense(f"{layer}.intermediate.dense", x)
        wide = np.vectorize(lambda number: number * 0.5 * (1 + math.erf(number / math.sqrt(2))))(wide)
        x = norm(f"{layer}.output.LayerNorm", x + dense(f"{layer}.output.dense", wide))
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_vectors_are_those_of_the_plain_way(small: tuple[Path, Weights]) -> None:
    directory, weights = small
    random = np.random.default_rng(11)
    texts = [random.integers(0, WORDS, length).tolist() for length in (1, 2, POSITIONS, 7, 7, 19)]
    found = Encoder(directory).encode(texts)
    assert found.dtype == np.float32
    for vector, tokens in zip(found, texts, strict=True):
        assert np.abs(vector - plain(weights, tokens)).max() < 1e-5


def test_gelu_is_exact_enough() -> None:
    numbers = np.concatenate([np.linspace(-12, 12, 4001), [0.0, -0.0, 1e-30, -1e15, 1e15]]).astype(np.float32)
    exact = [0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in numbers.astype(float)]
    found = gelu_in_place(np.tile(numbers, (70, 1)))
    assert np.all(np.isfinite(found))
    assert np.abs(found[:, :-2] - exact[:-2]).max() < 1e-6


def test_another_kind_of_model_is_refused(small: tuple[Path, Weights], tmp_path: Path) -> None:
    directory, _ = small
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode_mean_tokens": true}')
    config = json.loads((directory / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(ValueError, match="not a model of the kind"):
        Encoder(tmp_path)


def test_damaged_weights_are_refused(small: tuple[Path, Weights], tmp_path: Path) -> None:
    whole = (small[0] / "model.safetensors").read_bytes()
    for name in ("config.json", "1_Pooling/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((small[0] / name).read_bytes())
    no_weights = [b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", b"123456789"]
    for damaged, reason in [(whole[:-100], "is cut off"), *((bytes_, "no file of weights") for bytes_ in no_weights)]:
        (tmp_path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(ValueError, match=reason):
            Encoder(tmp_path)
