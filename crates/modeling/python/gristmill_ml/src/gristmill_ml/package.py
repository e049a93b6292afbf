"""`package`: an MLflow model directory around the artifacts, as one zip. The model is copied, never loaded."""

from __future__ import annotations

import json
import platform
import zipfile
from pathlib import Path
from typing import Any

from gristmill_ml.errors import MlError
from gristmill_ml.progress import Progress
from gristmill_ml.provenance import artifact_list, versions
from gristmill_ml.spec import Reader, read_limits

REQUIRED = ("model.joblib", "signature.json")
OPTIONAL = ("model.onnx", "parity.json", "baseline.json", "report.json", "card.json", "card.md")
# A zip has no older date; a fixed one makes equal models equal files.
STAMP = (1980, 1, 1, 0, 0, 0)
BASE = ("numpy", "pandas", "scikit-learn", "joblib", "pyarrow")
MLFLOW_TYPES = {"boolean": "boolean", "string": "string", "date": "datetime", "datetime": "datetime"}


def run(spec: Reader, directory: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Writes model.zip and returns the `done` event."""
    read_limits(spec)
    for name in REQUIRED:
        if not (directory / name).is_file():
            raise MlError("file_missing", f"there is no {name} in the input directory", name)
    signature = _json(directory / "signature.json", required=True)
    report = _json(directory / "report.json", required=False)
    pinned = _requirements(report)
    known = {line.partition("==")[0] for line in pinned}
    pinned += [line for line in spec.texts("packages", []) if line.partition("==")[0] not in known]
    files: dict[str, bytes | Path] = {
        "MLmodel": _yaml(_mlmodel(spec, signature, report)),
        "requirements.txt": ("\n".join(pinned) + "\n").encode(),
        "conda.yaml": _yaml(_conda(pinned)),
        "python_env.yaml": _yaml(
            {"python": _python(report), "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
        ),
    }
    for name in (*REQUIRED, *OPTIONAL):
        if (directory / name).is_file():
            files[f"model/{name}"] = directory / name
    if (directory / "card.md").is_file():
        files["README.md"] = directory / "card.md"
    for source in sorted(Path(__file__).parent.glob("*")):
        if source.suffix in (".py", ".json") or source.name == "py.typed":
            files[f"code/gristmill_ml/{source.name}"] = source
    progress.stage("packaging", 0.5)
    _zip(out / "model.zip", files)
    return {"type": "done", "artifacts": artifact_list(out, ("model.zip",)), "files": sorted(files)}


def _json(path: Path, required: bool) -> dict[str, Any]:
    if not path.is_file() and not required:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MlError("unreadable_file", f"{path.name} is not valid JSON", path.name) from error
    if not isinstance(value, dict):
        raise MlError("unreadable_file", f"{path.name} must hold an object", path.name)
    return value


def _mlmodel(spec: Reader, signature: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "loader_module": "gristmill_ml.pyfunc",
                "code": "code",
                "data": "model",
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "python_version": _python(report),
            },
        },
        "metadata": {
            "gristmill": {
                "template": signature.get("templateId"),
                "task": signature.get("taskType"),
                "target": signature.get("target"),
                "code_hash": report.get("codeHash"),
                "seed": report.get("seed"),
            }
        },
        "model_uuid": spec.text("modelUuid", None),
        "run_id": spec.text("runId", None),
        "utc_time_created": spec.text("createdAt", None),
        "signature": _signature(signature),
    }
    return {key: value for key, value in model.items() if value is not None}


def _signature(signature: dict[str, Any]) -> dict[str, Any]:
    inputs = [
        {"type": _input_type(column), "name": column["name"], "required": True}
        for column in signature.get("columns", [])
        if column.get("required")
    ]
    task, target_type = signature.get("taskType"), signature.get("targetType")
    kind = {"regression": "float64", "clustering": "int64"}.get(str(task))
    if kind is None:
        kind = {"int": "int64", "boolean": "bool", "float": "float64"}.get(str(target_type), "str")
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1]}}]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def _input_type(column: dict[str, Any]) -> str:
    """Returns MLflow's type. Whole numbers with gaps are doubles, as they are in a data frame."""
    if column["type"] == "int":
        return "double" if column.get("missing") else "long"
    return MLFLOW_TYPES.get(column["type"], "double")


def _requirements(report: dict[str, Any]) -> list[str]:
    known = report.get("versions") or versions("lightgbm", "xgboost")
    extra = [name for name in known if name in ("lightgbm", "xgboost-cpu", "xgboost")]
    return [f"{name}=={known[name]}" for name in (*BASE, *extra) if name in known]


def _python(report: dict[str, Any]) -> str:
    return str((report.get("versions") or {}).get("python") or platform.python_version())


def _conda(pinned: list[str]) -> dict[str, Any]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "name": "gristmill-model",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": pinned}],
    }


def _yaml(value: Any) -> bytes:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()


def _zip(path: Path, files: dict[str, bytes | Path]) -> None:
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as target:
                if isinstance(content, bytes):
                    target.write(content)
                else:
                    with content.open("rb") as source:
                        while block := source.read(1 << 20):
                            target.write(block)
    partial.replace(path)
