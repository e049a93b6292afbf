"""The templates: `templates.json` holds them all (the server reads the same file), this module checks and builds.

`library`, `importPath` and `modelClass` of the file say which class; a value that a caller sends reaches a class only
after its name was found in the template and its type and bounds were checked.
"""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from gristmill_ml.errors import MlError

# Trees do not care for the scale of a column; everything else here does.
SCALE_FREE = ("random_forest", "gradient_boosting", "hist_gradient_boosting", "lightgbm", "xgboost", "auto")
SEED_MAX = 2**32 - 1


@dataclass(frozen=True)
class Template:
    """One entry of the catalogue, as `GET /models/templates` shows it."""

    id: str
    task: str
    library: str
    import_path: str
    model_class: str
    parameters: tuple[dict[str, Any], ...]
    defaults: dict[str, Any]
    metrics: tuple[str, ...]
    tunable: bool

    @property
    def scales(self) -> bool:
        """Tells whether numeric columns are standardised before the estimator."""
        return not self.id.startswith(SCALE_FREE)

    @property
    def is_auto(self) -> bool:
        """Tells whether the template is the search over a portfolio."""
        return self.id.startswith("auto_")


@cache
def _file() -> dict[str, Any]:
    return json.loads(resources.files("gristmill_ml").joinpath("templates.json").read_text(encoding="utf-8"))


@cache
def catalogue() -> dict[str, Template]:
    """Returns every template by its id."""
    return {entry["id"]: _template(entry) for entry in _file()["templates"]}


def _template(entry: dict[str, Any]) -> Template:
    return Template(
        id=entry["id"],
        task=entry["taskType"],
        library=entry["library"],
        import_path=entry["importPath"],
        model_class=entry["modelClass"],
        parameters=tuple(entry["parameters"]),
        defaults=entry["defaultParams"],
        metrics=tuple(entry["metrics"]),
        tunable=entry.get("tunable", True) and entry["taskType"] != "clustering" and bool(entry["parameters"]),
    )


def resolve(template_id: str, problem_type: str | None) -> Template:
    """Returns the template of an id or an alias, in any spelling that the contract allows."""
    name = template_id.strip().lower()
    while name.startswith(("seed-", "llm-")):
        name = name.partition("-")[2]
    name = name.replace("-", "_")
    target = _file()["aliases"].get(name, name)
    if isinstance(target, dict):
        if problem_type not in target:
            raise MlError(
                "invalid_problem_type", f"{template_id} needs problemType: {' or '.join(target)}", "problemType"
            )
        target = target[problem_type]
    template = catalogue().get(target)
    if template is None:
        raise MlError(
            "unknown_template",
            f"there is no template {template_id!r}; there are: {', '.join(sorted(catalogue()))}",
            "templateId",
        )
    if problem_type is not None and problem_type != template.task:
        raise MlError(
            "invalid_problem_type",
            f"{template.id} is for {template.task}, not for {problem_type}",
            "problemType",
        )
    return template


def check_parameters(template: Template, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the defaults with the given values over them, each checked against the template."""
    known = {parameter["key"]: parameter for parameter in template.parameters}
    values = dict(template.defaults)
    for key, value in given.items():
        if value is None:
            continue
        if key == "random_state" and key in template.defaults:
            values[key] = _whole(key, value, 0, SEED_MAX)
        elif key in known:
            values[key] = _checked(known[key], value)
        else:
            takes = ", ".join(known) or "none"
            raise MlError("unknown_parameter", f"{template.id} has no parameter {key!r}; it takes: {takes}", field(key))
    return values


def field(key: str) -> str:
    """Returns the path of a parameter in the spec."""
    return f"params.{key}"


def _checked(parameter: dict[str, Any], value: Any) -> Any:
    key = parameter["key"]
    if parameter["type"] == "number":
        if parameter["integer"]:
            return _whole(key, value, parameter["min"], parameter["max"])
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise MlError("invalid_parameter", f"{key} must be a number, not {value!r:.60}", field(key))
        _within(key, value, parameter["min"], parameter["max"])
        return float(value)
    if parameter["type"] == "select":
        options = [option["value"] for option in parameter["options"]]
        if not isinstance(value, str) or value not in options:
            raise MlError("invalid_parameter", f"{key} must be one of {', '.join(options)}", field(key))
        return value
    if parameter["type"] == "boolean":
        if not isinstance(value, bool):
            raise MlError("invalid_parameter", f"{key} must be true or false", field(key))
        return value
    raise MlError("invalid_parameter", f"{key} cannot be set", field(key))


def _whole(key: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MlError("invalid_parameter", f"{key} must be a whole number, not {value!r:.60}", field(key))
    _within(key, value, low, high)
    return value


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        message = f"{key} must be from {low:g} to {high:g}, not {value:g}" if abs(value) < 1e300 else f"{key} too large"
        raise MlError("parameter_out_of_bounds", message, field(key))


def build_estimator(template: Template, params: dict[str, Any], seed: int | None, cpus: int, classes: int) -> Any:
    """Returns the unfitted estimator; not for `auto`, which searches for one. `classes` is 0 where there are none."""
    module = importlib.import_module(template.import_path)
    arguments = dict(params)
    if "random_state" in template.defaults and seed is not None:
        arguments["random_state"] = seed
    arguments.update(_fixed_arguments(template, cpus, classes))
    return getattr(module, template.model_class)(**arguments)


def _fixed_arguments(template: Template, cpus: int, classes: int) -> dict[str, Any]:
    """Returns what a caller cannot set: threads, silence, and what makes two runs with one seed equal."""
    if template.id.startswith(("random_forest", "knn")):
        return {"n_jobs": cpus}
    if template.library == "lightgbm":
        return {"n_jobs": cpus, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    if template.library == "xgboost":
        objective = {} if classes <= 2 else {"objective": "multi:softprob"}
        return {"n_jobs": cpus, "verbosity": 0, "tree_method": "hist", **objective}
    if template.id in ("kmeans", "mini_batch_kmeans"):
        return {"n_init": 10}
    if template.id == "gaussian_mixture":
        return {"n_init": 3, "reg_covar": 1e-5}
    return {}
