"""What `apply_million` makes, by pandas: `apply_million.py SOURCE OUTPUT`. Prints its seconds, step by step."""

import json
import resource
import sys
import time

import numpy as np
import pandas as pd


def target_encode(frame: pd.DataFrame, folds: int = 5, smoothing: float = 1.0) -> pd.Series:
    """By the rows of other folds, as the example does it."""
    fold = pd.Series(np.random.default_rng(0).integers(0, folds, len(frame)))
    encoded = pd.Series(np.nan, index=frame.index)
    for held in range(folds):
        others = frame[fold != held]
        overall = others["bought"].mean()
        groups = others.groupby("city")["bought"].agg(["mean", "count"])
        means = (groups["mean"] * groups["count"] + overall * smoothing) / (groups["count"] + smoothing)
        inside = fold == held
        encoded[inside] = frame.loc[inside, "city"].map(means).fillna(overall)
    return encoded


def main() -> None:
    source, output = sys.argv[1:3]
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
    frame["weekday"] = at.dt.weekday
    frame["comment_length"] = comment.str.len()
    frame["comment_words"] = comment.str.split().str.len()
    made = time.perf_counter()
    frame.to_parquet(output, compression="zstd")
    written = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"read": read - begin, "make": made - read, "write": written - made, "megabytes": peak}))


if __name__ == "__main__":
    main()
