"""What made a model: versions, the hash of this code, and what it cost."""

from __future__ import annotations

import hashlib
import platform
import resource
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn", "joblib", "skl2onnx", "onnxruntime", "optuna", "shap")
LIBRARIES = {"lightgbm": ("lightgbm",), "xgboost": ("xgboost-cpu", "xgboost")}


def versions(*libraries: str) -> dict[str, str]:
    """Returns the version of Python, of the common packages, and of the named libraries."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *(package for library in libraries for package in LIBRARIES.get(library, ()))):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_hash() -> str:
    """Returns the SHA-256 over this package's own files, in the order of their names."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in [*sorted(root.glob("*.py")), root / "templates.json"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def artifact_list(directory: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Returns name, size and checksum of the files that exist."""
    paths = [directory / name for name in names]
    return [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": file_hash(path)} for path in paths if path.is_file()
    ]


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """Wall and processor seconds by stage, and the peak of memory."""

    def __init__(self) -> None:
        """Starts now."""
        self.started = time.monotonic()
        self._cpu = _cpu_seconds()
        self.stages: dict[str, float] = {}
        self._last = self.started

    def lap(self, stage: str) -> float:
        """Books the time since the last lap to a stage, and returns it."""
        now = time.monotonic()
        spent = now - self._last
        self.stages[stage] = self.stages.get(stage, 0.0) + spent
        self._last = now
        return spent

    def report(self) -> dict[str, Any]:
        """Returns `timing` of a report."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "wallSeconds": round(time.monotonic() - self.started, 4),
            "cpuSeconds": round(_cpu_seconds() - self._cpu, 4),
            "peakMemoryBytes": usage.ru_maxrss * 1024,
            "stages": {name: round(seconds, 4) for name, seconds in self.stages.items()},
        }
