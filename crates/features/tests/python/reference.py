"""What pandas, numpy, scipy and scikit-learn make of the features of `tests/it/reference.rs`.

Each directory below the one that is named holds `source.parquet`, `specs.json` and `fitted.json`; `expected.parquet`
(all columns as floats) and `powers.json` are written beside them. Where the catalog differs from the library on
purpose, the line says so.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import special, stats
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler

MASK = (1 << 64) - 1
FOLDS = 5
DATE_PARTS = {
    "extract_year": lambda dates: dates.dt.year,
    "extract_month": lambda dates: dates.dt.month,
    "extract_day": lambda dates: dates.dt.day,
    "extract_weekday": lambda dates: dates.dt.weekday,
    "extract_hour": lambda dates: dates.dt.hour,
}
PERIODS = {
    "month": (lambda dates: dates.dt.month, 12),
    "hour": (lambda dates: dates.dt.hour, 24),
    "weekday": (lambda dates: dates.dt.weekday, 7),
    "day_of_year": (lambda dates: dates.dt.dayofyear, 365),
}
UNITS = {
    "days": pd.Timedelta(days=1),
    "hours": pd.Timedelta(hours=1),
    "weeks": pd.Timedelta(weeks=1),
    "months": pd.Timedelta(days=30.4375),
}


def fold(seed: int, row: int) -> int:
    """Two rounds of SplitMix64."""
    step = 0x9E3779B97F4A7C15
    spread = ((seed << 32 | seed) * step) & MASK
    mixed = (row & MASK) ^ ((spread << 31 | spread >> 33) & MASK)
    for _ in range(2):
        mixed = (mixed + step) & MASK
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & MASK
        mixed ^= mixed >> 31
    return mixed % FOLDS


class Table:
    """Columns by name: their values as Python has them, as a series, and as floats."""

    def __init__(self, path: Path) -> None:
        self.values = {}
        self.kinds = {}
        table = pq.read_table(path)
        for name in table.column_names:
            column = table.column(name)
            self.kinds[name] = str(column.type)
            if pa.types.is_timestamp(column.type):
                stamps = column.cast(pa.int64()).to_pylist()
                self.values[name] = [None if at is None else pd.Timestamp(at, unit="us") for at in stamps]
            else:
                self.values[name] = column.to_pylist()
        self.rows = table.num_rows

    def add(self, name: str, numbers: pd.Series, *, is_whole: bool) -> None:
        number_type = int if is_whole else float
        self.kinds[name] = "int64" if is_whole else "double"
        self.values[name] = [None if pd.isna(number) else number_type(number) for number in numbers]

    def series(self, name: str) -> pd.Series:
        """With the type that pandas would have: floats for floats, dates for dates, else objects."""
        values, kind = self.values[name], self.kinds[name]
        if kind == "double":
            return pd.Series([math.nan if value is None else value for value in values], dtype="float64")
        if kind.startswith("timestamp"):
            return pd.Series(values, dtype="datetime64[us]")
        return pd.Series(values, dtype=object)

    def floats(self, name: str) -> pd.Series:
        return pd.Series([math.nan if value is None else float(value) for value in self.values[name]], dtype="float64")

    def texts(self, name: str) -> pd.Series:
        return pd.Series([None if value is None else str(value) for value in self.values[name]], dtype=object)

    def is_whole(self, name: str) -> bool:
        return self.kinds[name] in ("int64", "bool")


def finite(numbers: pd.Series) -> pd.Series:
    """No number of the catalog is infinite: it is missing."""
    return numbers.where(np.isfinite(numbers), np.nan)


def scaled(scaler: MaxAbsScaler | MinMaxScaler | RobustScaler, x: pd.Series) -> pd.Series:
    return pd.Series(scaler.fit_transform(x.to_numpy().reshape(-1, 1)).ravel())


def numeric(method: str, params: dict, x: pd.Series, power: float | None) -> pd.Series:
    if method == "log_transform":
        return finite(np.log(x + params.get("offset", 1)))
    if method == "log1p_transform":
        return finite(np.log1p(x))
    if method == "sqrt_transform":
        return np.sqrt(x)
    if method == "square_transform":
        return finite(np.square(x))
    if method == "reciprocal_transform":
        return finite(1 / x.replace(0, np.nan))
    if method == "box_cox":
        return finite(special.boxcox(x + 1e-10, power))
    if method == "yeo_johnson":
        return pd.Series(stats.yeojohnson(x.to_numpy(), power))
    if method == "standardize":
        # Equal values: 0, where pandas divides by 0.
        return (x - x.mean()) / x.std() if x.nunique() > 1 else x * 0.0
    if method == "min_max_scale":
        return scaled(MinMaxScaler((params.get("min", 0), params.get("max", 1))), x)
    if method == "robust_scale":
        return scaled(RobustScaler(), x)
    if method == "max_abs_scale":
        return scaled(MaxAbsScaler(), x)
    if method == "bucketize":
        return pd.cut(x, params.get("bins", 5), labels=False)
    if x.nunique() == 1:
        # Equal values: one range, where pandas has none.
        return x * 0.0
    return pd.qcut(x, params.get("quantiles", 4), labels=False, duplicates="drop")


def find_power(method: str, x: pd.Series) -> float:
    x = x.dropna().to_numpy()
    return float(stats.boxcox(x + 1e-10)[1] if method == "box_cox" else stats.yeojohnson(x)[1])


def two(method: str, table: Table, a: str, b: str) -> pd.Series:
    if method == "ratio":
        return finite(table.floats(a) / table.floats(b).replace(0, np.nan))
    if table.is_whole(a) and table.is_whole(b):
        # Whole numbers of any length, and missing where 64 bits do not hold them.
        pairs = zip(table.values[a], table.values[b], strict=True)
        results = [None if p is None or q is None else (p - q if method == "difference" else p * q) for p, q in pairs]
        fits = [result is not None and -(1 << 63) <= result < 1 << 63 for result in results]
        return pd.Series([float(result) if fit else math.nan for result, fit in zip(results, fits, strict=True)])
    one, other = table.floats(a), table.floats(b)
    return finite(one - other if method == "difference" else one * other)


def target(table: Table, source: str, params: dict, seed: int) -> pd.Series:
    """Means of the other folds, one row after the other fold, by groups of pandas."""
    y = table.series(params["targetColumn"])
    if table.kinds[params["targetColumn"]] == "string":
        classes = sorted(set(y.dropna()))
        y = y.map({label: float(at) for at, label in enumerate(classes)})
    frame = pd.DataFrame({"x": table.texts(source), "y": pd.to_numeric(y).astype("float64")})
    frame["fold"] = [fold(seed, row) for row in range(len(frame))]
    smoothing = params.get("smoothing", 1)
    encoded = pd.Series(np.nan, index=frame.index)
    for held in range(FOLDS):
        others = frame[(frame.fold != held) & frame.y.notna()]
        overall = others.y.mean()
        groups = others.groupby("x").y.agg(["mean", "count"])
        means = (groups["mean"] * groups["count"] + overall * smoothing) / (groups["count"] + smoothing)
        inside = frame.fold == held
        encoded[inside] = frame.x[inside].map(means).fillna(overall)
    return encoded


def categories(method: str, params: dict, name: str, values: pd.Series) -> dict[str, pd.Series]:
    if method == "one_hot_encode":
        dummies = pd.get_dummies(values, prefix=name, drop_first=params.get("drop_first", False))
        return {column: dummies[column].astype("float64") for column in dummies}
    codes = pd.Series(pd.Categorical(values).codes, dtype="int64")
    if method == "label_encode":
        return {name: codes}
    if method == "frequency_encode":
        return {name: values.map(values.value_counts(normalize=params.get("normalize", True))).astype("float64")}
    bits = max(1, math.ceil(math.log2(codes.max() + 1))) if codes.max() > 0 else 1
    # A missing value has the bits of 0.
    numbers = codes.clip(lower=0).to_numpy()
    return {f"{name}_bin{bit}": pd.Series((numbers >> bit) & 1) for bit in range(bits)}


def features(table: Table, spec: dict, fitted: dict, powers: dict) -> dict[str, pd.Series]:
    method, source, name, params = spec["method"], spec["sourceColumn"], spec["featureName"], spec.get("params", {})
    if method in ("one_hot_encode", "label_encode", "frequency_encode", "binary_encode"):
        return categories(method, params, name, table.series(source))
    if method == "target_encode":
        return {name: target(table, source, params, fitted["seed"])}
    if method in DATE_PARTS:
        return {name: DATE_PARTS[method](table.series(source))}
    if method == "cyclical_encode":
        part, length = PERIODS[params.get("period", "month")]
        angle = 2 * np.pi * part(table.series(source)) / length
        return {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}
    if method == "time_since":
        now = pd.Timestamp(fitted["reference"]).tz_convert(None)
        return {name: (now - table.series(source)) / UNITS[params.get("unit", "days")]}
    if method == "polynomial":
        x = table.floats(source)
        return {f"{name}_pow{power}": finite(np.power(x, power)) for power in range(2, params.get("degree", 2) + 1)}
    if method in ("ratio", "difference", "product"):
        return {name: two(method, table, source, spec["secondaryColumn"])}
    if method == "text_length":
        return {name: table.texts(source).str.len()}
    if method == "word_count":
        return {name: table.texts(source).str.split().str.len()}
    if method == "contains_pattern":
        found = table.texts(source).str.contains(
            params["pattern"], case=params.get("case_sensitive", False), regex=False, na=False
        )
        return {name: found.astype("int64")}
    if method == "missing_indicator":
        return {name: table.series(source).isna().astype("int64")}
    x, power = table.floats(source), None
    if method in ("box_cox", "yeo_johnson"):
        powers[name] = find_power(method, x)
        power = float(next(made for made in fitted["features"] if made["featureName"] == name)["learned"]["lambda"])
    return {name: numeric(method, params, x, power)}


def run(directory: Path) -> None:
    table = Table(directory / "source.parquet")
    fitted = json.loads((directory / "fitted.json").read_text())
    expected: dict[str, pa.Array] = {}
    powers: dict[str, float] = {}
    outputs = [output for made in fitted["features"] for output in made["outputs"]]
    whole = {output["name"] for output in outputs if output["dtype"] == "integer"}
    for spec in json.loads((directory / "specs.json").read_text()):
        for name, numbers in features(table, spec, fitted, powers).items():
            numbers = pd.to_numeric(numbers).astype("float64")
            expected[name] = pa.array(numbers.to_numpy(), from_pandas=True)
            table.add(name, numbers, is_whole=name in whole)
    pq.write_table(pa.table(expected), directory / "expected.parquet")
    (directory / "powers.json").write_text(json.dumps(powers))


if __name__ == "__main__":
    for case in sorted(Path(sys.argv[1]).iterdir()):
        with np.errstate(all="ignore"):
            run(case)
