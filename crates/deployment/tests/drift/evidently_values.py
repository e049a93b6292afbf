"""What `evidently` says, for the test that compares it with this crate. Reads JSON from standard input, writes JSON.

`make`: a table of many kinds of columns, as the baseline that gristmill_ml writes for its training rows, and as rows of
requests. `judge`: the values of `evidently` for questions about two sides, each a list of values or counts of bins.
"""

import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats


def load_stattests(root: Path):
    """Imports the statistical tests of `evidently` alone: its whole needs web servers and language models."""
    for name in ("evidently", "evidently.legacy", "evidently.legacy.calculations", "evidently.legacy.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = package
    importlib.import_module("evidently.legacy.calculations.stattests")
    prefix = "evidently.legacy.calculations.stattests"
    functions = {"psi": ("psi", "_psi"), "js": ("jensenshannon", "_jensenshannon")}
    functions |= {"ks": ("ks_stattest", "_ks_stat_test"), "chi2": ("chisquare_stattest", "_chi_stat_test")}
    core = importlib.import_module("evidently.legacy.core")
    found = {key: getattr(importlib.import_module(f"{prefix}.{file}"), name) for key, (file, name) in functions.items()}
    return found, core.ColumnType


def series(side, kind) -> pd.Series:
    """A side is a list of values, or `{"counts": [...]}`: so many rows of each bin."""
    if isinstance(side, dict):
        counts = np.asarray(side["counts"]).round().astype(int)
        return pd.Series(np.repeat([f"bin {place}" for place in range(len(counts))], counts), dtype=object)
    return pd.Series(side, dtype=np.float64 if kind == "num" else object).dropna().reset_index(drop=True)


def judge(root: Path, questions: list) -> list:
    """Answers `{reference, current, kind: num | cat}` with every statistic that there is for it."""
    functions, column_type = load_stattests(root)
    answers = []
    for question in questions:
        kind = question["kind"]
        typed = column_type.Numerical if kind == "num" else column_type.Categorical
        reference, current = series(question["reference"], kind), series(question["current"], kind)
        with np.errstate(divide="ignore"):
            values = {key: float(functions[key](reference, current, typed, 0.1)[0]) for key in question["ask"]}
        if "ks" in question["ask"]:
            values["ks_statistic"] = float(stats.ks_2samp(reference, current).statistic)
        answers.append({key: value if value == value else None for key, value in values.items()})
    return answers


def make(order: dict) -> dict:
    """A table with its baseline, and requests that are like it, shifted, or unlike it."""
    from gristmill_ml.baseline import make_baseline
    from gristmill_ml.columns import ColumnPlan, Plan

    generator = np.random.default_rng(order["seed"])
    before, now = table(generator, order["rows"], 0.0), table(generator, order["requests"], order["shift"])
    kinds = {"label": "categorical", "flag": "boolean", "day": "date"}
    plans = [ColumnPlan(name, "", kinds.get(name, "numeric"), "", "") for name in before.columns]
    labels = np.where(before["normal"] + before["grade"] > 3, "yes", "no")
    predictions, task = (labels, "classification") if order["task"] == "classification" else (before["normal"] * 3, "regression")
    baseline = make_baseline(before, Plan(plans, 50, 1), np.asarray(predictions), task, "training")
    now["day"] = now["day"].dt.strftime("%Y-%m-%d")
    before["day"] = (before["day"] - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    plain = lambda frame: json.loads(frame.to_json(orient="records", double_precision=15))  # noqa: E731
    return {"baseline": baseline, "before": plain(before), "rows": plain(now)}


def table(generator: np.random.Generator, rows: int, shift: float) -> pd.DataFrame:
    """Columns that look different in a histogram; `shift` moves every one of them."""
    part = min(shift, 1.0)
    chances = np.array([0.6 - 0.4 * part, 0.3 + 0.2 * part, 0.1 + 0.2 * part])
    return pd.DataFrame(
        {
            "normal": generator.normal(shift, 1, rows),
            "skewed": np.exp(generator.normal(shift, 2, rows)),
            "grade": generator.choice([1, 2, 3, 4, 5, 6], rows, p=np.array([6, 5, 4, 3, 2, 1]) / 21),
            "constant": np.full(rows, 7.0),
            "zero or more": np.where(generator.random(rows) < 0.7, 0.0, generator.exponential(1 + shift, rows)),
            "label": generator.choice(["red", "green", "blue ü"], rows, p=chances),
            "flag": generator.random(rows) < 0.4 + 0.3 * part,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 300, rows) + int(100 * shift), unit="D"),
        }
    )


if __name__ == "__main__":
    command, asked = sys.argv[1], json.load(sys.stdin)
    result = make(asked) if command == "make" else judge(Path(sys.argv[2]), asked)
    json.dump(result, sys.stdout)
