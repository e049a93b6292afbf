"""Reads weights in the safetensors format: the length of a header, the header as JSON, then the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_HEADER_MAX = 16 * 1024 * 1024
_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def read(path: Path) -> dict[str, Floats]:
    """Every tensor of real numbers by its name. Those of 32 bits stay in the file, and are read when they are used."""
    file = np.memmap(path, dtype=np.uint8, mode="r")
    length = int.from_bytes(file[:8].tobytes(), "little")
    if not 2 <= length <= min(_HEADER_MAX, len(file) - 8):
        raise ValueError(f"{path.name} is no file of weights")
    header = json.loads(file[8 : 8 + length].tobytes())
    body = file[8 + length :]
    tensors = {}
    for name, entry in header.items():
        # The file's own description, and positions, which are counted and not learned.
        if name == "__metadata__" or entry["dtype"] not in _TYPES:
            continue
        start, end = entry["data_offsets"]
        if not 0 <= start <= end <= len(body):
            raise ValueError(f"{path.name} is cut off: {name} is not in it")
        numbers = body[start:end].view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = np.asarray(numbers, dtype=np.float32)
    return tensors
