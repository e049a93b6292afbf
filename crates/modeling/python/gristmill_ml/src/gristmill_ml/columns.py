"""Decides what becomes of each column, without looking at the target, and says why.

The decisions are made once on all training rows: they use types, missing values and distinct values only.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gristmill_ml.errors import MlError
from gristmill_ml.frames import Table, texts_of

CATEGORIES_MAX = 50
# One-hot columns in all: many text columns share them, so that wide tables stay within memory.
ENCODED_COLUMNS_MAX = 20_000
IDENTIFIER_ROWS_MIN = 20
IDENTIFIER_SHARE = 0.9
DATE_SAMPLE = 200
# Distinct floats are counted among these first rows only.
DISTINCT_AMONG = 1000
DATE_PARTS = ("year", "month", "day", "weekday", "day_of_year", "days")
TIME_PARTS = (*DATE_PARTS, "hour")
FLOAT32_MAX = float(np.finfo(np.float32).max)

_KEY_NAME = re.compile(
    r"(?:^|[\s_.\-])(?:id|ids|uuid|guid|key|pk|index|idx|rowid|row_?n(?:o|um|umber)|identifier|serial)$", re.IGNORECASE
)
_CAMEL_KEY_NAME = re.compile(r"[a-z0-9](?:Id|ID|Uuid|UUID|Key|Index)$")
_ISO_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_ISO_DATETIME = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?$")


@dataclass
class ColumnPlan:
    """What becomes of one column. `kind` is numeric, boolean, categorical, date or drop."""

    name: str
    type: str
    kind: str
    code: str
    reason: str
    parts: tuple[str, ...] = ()
    missing: int = 0
    distinct: int = 0
    infinite: int = 0
    notes: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Returns the entry of report.json."""
        entry = asdict(self)
        entry["decision"] = "dropped" if self.kind == "drop" else "kept"
        return entry


@dataclass
class Plan:
    """The columns in the order of the dataset, and how categories are limited."""

    columns: list[ColumnPlan]
    categories_max: int
    category_rows_min: int

    def used(self) -> list[ColumnPlan]:
        """Returns the columns that reach the model."""
        return [column for column in self.columns if column.kind != "drop"]


def looks_like_key(name: str) -> bool:
    """Tells whether a name is that of an identifier."""
    return bool(_KEY_NAME.search(name) or _CAMEL_KEY_NAME.search(name))


def make_plan(table: Table, features: list[str], roles: dict[str, str]) -> Plan:
    """Decides on each feature; `roles` are the caller's own decisions and win."""
    rows = len(table)
    rows_min = min(10, max(2, -(-rows // 100)))
    columns = [_decide(table.frame[name], name, table.types[name], roles.get(name), rows_min) for name in features]
    texts = sum(column.kind == "categorical" for column in columns)
    categories_max = min(CATEGORIES_MAX, max(2, ENCODED_COLUMNS_MAX // max(1, texts)))
    if not any(column.kind != "drop" for column in columns):
        reasons = "; ".join(f"{column.name}: {column.reason}" for column in columns[:5]) or "there are none"
        raise MlError("no_usable_features", f"no feature column can be used ({reasons})", "features")
    return Plan(columns, categories_max, rows_min)


def _decide(series: pd.Series, name: str, kind: str, role: str | None, rows_min: int) -> ColumnPlan:
    rows = len(series)
    plan = ColumnPlan(name, kind, "drop", "", "")
    if role == "drop":
        return _drop(plan, "requested", "left out by the request")
    if kind == "unsupported":
        return _drop(plan, "unsupported_type", "its type (a list, a structure or bytes) cannot be a feature")
    values = series
    if kind == "float":
        numbers = series.to_numpy(dtype=np.float64)
        plan.infinite = int(np.count_nonzero(np.abs(numbers) > FLOAT32_MAX))
        if plan.infinite:
            values = series.where(np.abs(numbers) <= FLOAT32_MAX)
            plan.notes.append(f"{plan.infinite} infinite values (or beyond float32) are treated as missing")
    plan.missing = int(values.isna().sum())
    if plan.missing == rows:
        return _drop(plan, "all_missing", "has no value in the training rows")
    plan.distinct = _distinct(values, kind)
    if plan.distinct == 1 and (plan.missing == 0 or kind != "string"):
        return _drop(plan, "constant", "has one value in all training rows")
    if plan.missing:
        plan.notes.append(f"{plan.missing} missing values: {_missing_rule(kind)}")
    return _kind(plan, values, kind, role, rows_min)


def _distinct(values: pd.Series, kind: str) -> int:
    """Returns the number of different values; of floats it only matters whether there is more than one."""
    if kind == "float":
        numbers = values.to_numpy(dtype=np.float64)
        return 1 if np.nanmin(numbers) == np.nanmax(numbers) else max(2, int(values.head(DISTINCT_AMONG).nunique()))
    return int(values.nunique())


def _kind(plan: ColumnPlan, values: pd.Series, kind: str, role: str | None, rows_min: int) -> ColumnPlan:
    if role is None and _is_identifier(plan, values, kind):
        return _drop(plan, "identifier", "looks like an identifier: nearly every row has a value of its own")
    if role == "categorical" or (kind == "string" and role is None and not _iso(values)):
        return _categorical(plan, values, rows_min, role is not None)
    if role == "date" or kind in ("date", "datetime") or (kind == "string" and role is None):
        return _date(plan, values, kind)
    if kind == "boolean":
        plan.kind, plan.code, plan.reason = "boolean", "boolean", "true is 1 and false is 0"
        return plan
    if kind == "string":
        values = pd.to_numeric(values, errors="coerce")
        if values.isna().all():
            raise MlError(
                "column_type", f"column {plan.name!r} holds text and cannot be numeric", f"columns.{plan.name}"
            )
    plan.kind, plan.code, plan.reason = "numeric", "numeric", "numbers are used as they are"
    return plan


def _categorical(plan: ColumnPlan, values: pd.Series, rows_min: int, forced: bool) -> ColumnPlan:
    counts = pd.Series(texts_of(values.dropna(), None)).value_counts()
    if int(counts.iloc[0]) < rows_min and not forced:
        return _drop(plan, "high_cardinality", f"has {plan.distinct} different texts, none in {rows_min} rows or more")
    plan.kind, plan.code, plan.reason = "categorical", "categorical", f"one-hot encoded, {plan.distinct} values"
    frequent = int((counts >= rows_min).sum())
    if frequent < len(counts) or frequent > CATEGORIES_MAX:
        plan.code = "categorical_limited"
        plan.notes.append(
            f"values in fewer than {rows_min} rows, or beyond the {CATEGORIES_MAX} most frequent, share one"
        )
    plan.notes.append("a value that training did not see counts as such a rare one")
    return plan


def _date(plan: ColumnPlan, values: pd.Series, kind: str) -> ColumnPlan:
    dates = to_dates(values)
    unread = int(dates.isna().sum()) - int(values.isna().sum())
    if unread == len(values) - int(values.isna().sum()):
        raise MlError("column_type", f"column {plan.name!r} holds no date", f"columns.{plan.name}")
    if unread:
        plan.notes.append(f"{unread} texts are not dates and are treated as missing")
    known = dates.dropna()
    plan.parts = TIME_PARTS if kind != "date" and bool((known != known.dt.normalize()).any()) else DATE_PARTS
    plan.kind, plan.code, plan.reason = "date", "date_expanded", f"expanded into {', '.join(plan.parts)}"
    return plan


def _is_identifier(plan: ColumnPlan, values: pd.Series, kind: str) -> bool:
    """Only whole numbers and texts can be keys; a float never is, however distinct its values are."""
    known = len(values) - plan.missing
    if kind not in ("int", "string") or known < IDENTIFIER_ROWS_MIN:
        return False
    if kind == "string":
        return plan.distinct == known and not _iso(values)
    if looks_like_key(plan.name):
        return plan.distinct >= IDENTIFIER_SHARE * known
    # A running number from 0 or 1, of which these rows are a part.
    low, high = float(values.min()), float(values.max())
    return plan.distinct == known == len(values) and low <= 10 and low >= 0 and high <= 3 * known


def _iso(values: pd.Series) -> bool:
    sample = values.dropna().head(DATE_SAMPLE)
    return len(sample) > 0 and all(
        isinstance(text, str) and (_ISO_DATE.match(text) or _ISO_DATETIME.match(text)) for text in sample
    )


def to_dates(values: pd.Series) -> pd.Series:
    """Returns timestamps without a zone (in UTC where there was one); what is not a date is missing."""
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return values
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(pd.NaT, index=values.index, dtype="datetime64[us]")
    dates = pd.to_datetime(values.astype(object), errors="coerce", format="ISO8601", utc=True)
    return dates.dt.tz_localize(None)


def _missing_rule(kind: str) -> str:
    return "a category of its own" if kind == "string" else "filled with the median of the training rows"


def _drop(plan: ColumnPlan, code: str, reason: str) -> ColumnPlan:
    plan.kind, plan.code, plan.reason = "drop", code, reason
    return plan
