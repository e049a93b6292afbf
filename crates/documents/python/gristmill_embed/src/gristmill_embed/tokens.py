"""Cuts texts into the tokens that a model knows."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

# No token has more characters, so what is behind this many cannot be among the tokens that count, but for white space
# and words beyond all measure.
_TOKEN_CHARACTERS_MAX = 100


class Tokens:
    """The tokenizer of a model's directory, with the length for which the model was made."""

    def __init__(self, directory: Path) -> None:
        # One thread: a sandbox has few, and the work behind it takes a hundred times as long.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        settings = json.loads((directory / "sentence_bert_config.json").read_bytes())
        self.length_max = int(settings["max_seq_length"])
        self._characters_max = self.length_max * _TOKEN_CHARACTERS_MAX
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.length_max)

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of each text's tokens, those that mark beginning and end included; never none."""
        cut = [text[: self._characters_max].encode(errors="replace").decode() for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(cut)]
