"""What `apply_million` makes, by pandas: `apply_million.py SOURCE OUTPUT OURS`.

Prints its seconds, step by step, and how many values of each feature in OURS are not equal to its own.
"""

import json
import resource
import sys
import time

import numpy as np
import pandas as pd

TOLERANCE = 1e-9
# Differences of numbers near 0 leave nothing but rounding.
TOLERANCE_ABSOLUTE = 1e-12
FEATURES = [
    "amount_score",
    "amount_scaled",
    "income_robust",
    "amount_bin",
    "income_bin",
    "city_bought",
    "month",
    "weekday",
    "comment_length",
    "comment_words",
]


def folds_of(rows: int, folds: int) -> np.ndarray:
    """Two rounds of SplitMix64 of each row's place, as the example has it for its seed of 0."""
    step, first, second = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
    mixed = np.arange(rows, dtype=np.uint64)
    for _ in range(2):
        mixed += step
        mixed = (mixed ^ (mixed >> np.uint64(30))) * first
        mixed = (mixed ^ (mixed >> np.uint64(27))) * second
        mixed ^= mixed >> np.uint64(31)
    return mixed % np.uint64(folds)


def target_encode(frame: pd.DataFrame, folds: int = 5, smoothing: float = 1.0) -> pd.Series:
    """By the rows of other folds."""
    fold = folds_of(len(frame), folds)
    encoded = pd.Series(np.nan, index=frame.index)
    for held in range(folds):
        others = frame[fold != held]
        overall = others["bought"].mean()
        groups = others.groupby("city")["bought"].agg(["mean", "count"])
        means = (groups["mean"] * groups["count"] + overall * smoothing) / (groups["count"] + smoothing)
        inside = fold == held
        encoded[inside] = frame.loc[inside, "city"].map(means).fillna(overall)
    return encoded


def differing(frame: pd.DataFrame, ours: str) -> dict[str, int]:
    """How many values of each feature differ, for those that have some."""
    made = pd.read_parquet(ours, columns=FEATURES)
    if len(made) != len(frame):
        return {"rows": abs(len(made) - len(frame))}
    counts = {}
    for name in FEATURES:
        one = pd.to_numeric(made[name]).to_numpy(dtype="float64", na_value=np.nan)
        other = pd.to_numeric(frame[name]).to_numpy(dtype="float64", na_value=np.nan)
        is_equal = np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE_ABSOLUTE, equal_nan=True)
        if not is_equal.all():
            counts[name] = int((~is_equal).sum())
    return counts


def main() -> None:
    source, output, ours = sys.argv[1:4]
    begin = time.perf_counter()
    frame = pd.read_parquet(source)
    read = time.perf_counter()
    amount, income, at, comment = frame["amount"], frame["income"], frame["at"], frame["comment"]
    frame["amount_score"] = (amount - amount.mean()) / amount.std()
    frame["amount_scaled"] = (amount - amount.min()) / (amount.max() - amount.min())
    quartiles = income.quantile([0.25, 0.5, 0.75])
    frame["income_robust"] = (income - quartiles[0.5]) / (quartiles[0.75] - quartiles[0.25])
    frame["amount_bin"] = pd.cut(amount, 10, labels=False)
    frame["income_bin"] = pd.qcut(income, 10, labels=False, duplicates="drop")
    frame["city_bought"] = target_encode(frame)
    frame["month"] = at.dt.month
    frame["weekday"] = at.dt.day_of_week
    frame["comment_length"] = comment.str.len()
    frame["comment_words"] = comment.str.split().str.len()
    made = time.perf_counter()
    frame.to_parquet(output, compression="zstd")
    written = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    told = {"read": read - begin, "make": made - read, "write": written - made, "megabytes": peak}
    print(json.dumps(told | {"differing": differing(frame, ours)}))


if __name__ == "__main__":
    main()
