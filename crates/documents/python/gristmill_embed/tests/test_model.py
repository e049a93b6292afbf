"""The real model: known numbers, hostile texts."""

from collections.abc import Sequence

import numpy as np
import pytest

from gristmill_embed.server import Model
from gristmill_embed.weights import Floats


def vectors(model: Model, texts: Sequence[str]) -> Floats:
    return np.concatenate(list(model(texts)))


def test_likenesses_are_those_that_are_published(model: Model) -> None:
    # Sentence Transformers' own documentation shows these for this model.
    found = vectors(model, ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.abs(found @ found.T - published).max() < 1e-4


def test_likenesses_of_the_model_s_card(model: Model) -> None:
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    found = vectors(model, texts)
    assert np.abs(found[1:] @ found[0] - [0.695, 0.943, 0.257]).max() < 1e-3


def test_a_text_s_vector_does_not_depend_on_its_company(model: Model) -> None:
    texts = [
        "short",
        "a longer text about mills and millers " * 12,
        "grain",
        "The wheel turns in the race of the river.",
    ]
    together = vectors(model, texts * 20)
    alone = np.concatenate([vectors(model, [text]) for text in texts])
    assert np.abs(together.reshape(20, 4, -1) - alone).max() < 1e-5


def test_case_and_accents_do_not_count(model: Model) -> None:
    one, other = vectors(model, ["Café Über", "cafe uber"])
    assert float(one @ other) > 0.99999


@pytest.mark.parametrize(
    "text",
    ["", "\0", " \n\t", "a" * 1_000_000, "word " * 200_000, "\ud800", "💥" * 1000, "[CLS] [SEP] [PAD] [MASK]", "�"],
    ids=range(9),
)
def test_any_text_has_a_vector(model: Model, text: str) -> None:
    (found,) = vectors(model, [text])
    assert found.shape == (384,)
    assert abs(float(np.linalg.norm(found)) - 1) < 1e-5


def test_what_is_behind_256_tokens_does_not_count(model: Model) -> None:
    # With the marks at both ends there is room for 254 words of one token.
    words = ["mill"] * 253
    within, last, beyond = vectors(model, [" ".join([*words, end]) for end in ("mill", "volcano", "mill volcano")])
    assert np.abs(within - last).max() > 1e-3
    assert np.abs(within - beyond).max() < 1e-6


def test_nothing_has_no_vectors(model: Model) -> None:
    assert list(model([])) == []
