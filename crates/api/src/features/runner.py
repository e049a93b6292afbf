"""Makes features by code, in a sandbox: reads /in, writes /out.

The server wrote this file and `spec.json`; the code in it is a stranger's. What is written here is checked by the server.
"""

import ast
import csv
import json
import math
import os
import warnings

import numpy as np
import pandas as pd
import pyarrow.parquet
import pyarrow.types

IN, OUT = "/in", "/out"
ROW_ID = "__row_id"
MESSAGE_CHARS_MAX = 1500
#: Rows on which it is tried whether a feature depends on the target.
SAMPLE_ROWS = 50_000
CLASSES_MAX = 50
#: Parts of the rows, each of which code is run for that uses the target, without the targets of that part.
FOLDS = 5
#: What code calls to get at its dataset. The frame is there already.
LOADERS = {
    "load_dataset",
    "load_preprocessing_dataset",
    "read_csv",
    "read_excel",
    "read_feather",
    "read_json",
    "read_parquet",
    "read_table",
    "resolve_dataset_path",
}


class Refused(Exception):
    """Says why there are no features, to whoever wrote the code."""


def load():
    """Returns the dataset, and its row ids where it brings them along."""
    path = os.path.join(IN, "source.parquet")
    frame = exact(pd.read_parquet(path), path)
    ids = frame.pop(ROW_ID) if ROW_ID in frame.columns else None
    return frame, ids


def exact(frame, path):
    """Gives whole numbers back that pandas rounded: it makes floats of a column in which some are missing."""
    whole = {field.name for field in pyarrow.parquet.read_schema(path) if pyarrow.types.is_integer(field.type)}
    widened = [name for name in frame.columns if name in whole and frame[name].dtype.kind == "f"]
    rounded = [name for name in widened if frame[name].abs().max() >= 2**53]
    if rounded:
        table = pyarrow.parquet.read_table(path).select(rounded)
        numbers = table.to_pandas(types_mapper={pyarrow.int64(): pd.Int64Dtype()}.get)
        for name in rounded:
            frame[name] = numbers[name]
    return frame


def is_loading(statement):
    """Tells whether a statement only gets at the dataset: an assignment or a call whose value comes from a loader."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)) and statement.value is not None:
        value = statement.value
        while isinstance(value, (ast.Call, ast.Attribute)):
            if isinstance(value, ast.Call):
                called = value.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
                if name in LOADERS:
                    return True
                value = called
            else:
                value = value.value
    return False


def compiled(feature):
    """Returns the code of a feature as a function of a frame. Texts in it stay as they are: nothing is indented anew."""
    name, where = feature["name"], f"<feature {feature['name']}>"
    try:
        parsed = ast.parse(feature["code"], where)
        top, body = [], []
        for statement in parsed.body:
            if is_loading(statement):
                continue
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                continue
            # A star may stand at the top only.
            has_star = isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names)
            (top if has_star else body).append(statement)
        shell = ast.parse("def make(df):\n    return df\n")
        function = shell.body[0]
        function.body = body + function.body
        module = ast.fix_missing_locations(ast.Module(body=[*top, function], type_ignores=[]))
        namespace = {"__name__": "__feature__", "pd": pd, "np": np, "math": math}
        exec(compile(module, where, "exec"), namespace)
    except SyntaxError as error:
        raise Refused(f'Feature "{name}": SyntaxError: {error.msg} (line {error.lineno})') from None
    except BaseException as error:
        raise Refused(told(feature, error)) from None
    return namespace["make"]


def told(feature, error):
    """Returns what went wrong, and in which line of the feature's code."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<feature {feature['name']}>":
            line = trace.tb_lineno
        trace = trace.tb_next
    text = str(error).strip() or "no reason given"
    place = f" (line {line})" if line else ""
    return f'Feature "{feature["name"]}": {type(error).__name__}: {text}'[:MESSAGE_CHARS_MAX] + place


def run(features, frame, withheld=()):
    """Runs features one after the other on one frame."""
    for feature, function in features:
        try:
            made = function(frame)
        except MemoryError:
            raise
        except BaseException as error:
            if isinstance(error, KeyError) and error.args and error.args[0] in list(withheld):
                raise Refused(
                    f'Feature "{feature["name"]}": the column "{error.args[0]}" is the target, which code does not get to '
                    "see: no feature may know what is to be predicted. Code that learns from it says so with "
                    "params.targetColumn, and is run without the targets of the rows that it makes"
                ) from None
            raise Refused(told(feature, error)) from None
        if not isinstance(made, pd.DataFrame):
            raise Refused(f'Feature "{feature["name"]}": df is no DataFrame any more, but {type(made).__name__}')
        frame = made
    return frame


def bare(names):
    """Returns names without blanks around them, which no header keeps.

    Two that only blanks tell apart, as one-hot columns may have them, stay two by a number.
    """
    taken = {name for name in names if name == name.strip()}
    found = []
    for name in names:
        short = free = name.strip()
        number = 1
        while short != name and free in taken:
            number += 1
            free = f"{short}_{number}"
        taken.add(free)
        found.append(free)
    return found


def tidy(frame):
    """Returns the frame with names that a dataset can have."""
    given = [str(name) for name in frame.columns]
    names = bare(given)
    if ROW_ID in names:
        raise Refused(f'The column "{ROW_ID}" is reserved for the numbers of rows')
    if any(not name for name in names):
        raise Refused("The code makes a column without a name")
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise Refused(f'The code makes the column "{twice[0]}" twice')
    if frame.empty:
        raise Refused("The code leaves no rows")
    frame = frame.copy(deep=False)
    frame.columns = names
    return frame


def traced(made, source):
    """Tells which row of the source each row is: "same", "traced" with their places, or "unknown".

    The index says it, and is believed only when at least half of the columns have the same values by it. Columns that have
    one value everywhere have it in any order.
    """
    index = made.index
    if not pd.api.types.is_integer_dtype(index.dtype) or not index.is_unique or not source.index.is_unique:
        return "unknown", None
    places = source.index.get_indexer(index)
    if places.min() < 0:
        return "unknown", None
    moved = len(places) != len(source) or not np.array_equal(places, np.arange(len(source)))
    equal, telling = 0, 0
    for name in source.columns:
        if len(source) > 1 and source[name].nunique(dropna=False) < 2:
            continue
        telling += 1
        if name in made.columns:
            before = source[name].iloc[places] if moved else source[name]
            equal += made[name].reset_index(drop=True).equals(before.reset_index(drop=True))
    if equal * 2 < telling or not telling:
        return "unknown", None
    return ("traced", places) if moved else ("same", None)


def changed(made, source, places):
    """Returns the columns of the source that have other values now, or another type, by the places of the rows."""
    found = []
    for name in source.columns:
        if name in made.columns:
            before = source[name] if places is None else source[name].iloc[places]
            if not made[name].reset_index(drop=True).equals(before.reset_index(drop=True)):
                found.append(name)
    return found


def plain(values, hint):
    """Returns the type of a column, none when it has no value, and its values as the server's reader knows them."""
    if values.isna().all():
        return None, values
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean", values.map({True: "true", False: "false"})
    if pd.api.types.is_integer_dtype(dtype):
        return ("string", values.map(str, na_action="ignore")) if values.max() > 2**63 - 1 else ("integer", values)
    if pd.api.types.is_float_dtype(dtype):
        return floats(values.to_numpy(dtype="float64", na_value=np.nan), values.index, hint)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date", values.dt.tz_convert("UTC").dt.tz_localize(None) if values.dt.tz is not None else values
    if pd.api.types.is_timedelta64_dtype(dtype):
        return floats(values.dt.total_seconds().to_numpy(), values.index, hint)
    return objects(values, hint)


def floats(numbers, index, hint):
    """Takes what is not finite for missing, and keeps whole numbers whole that pandas made floats of."""
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    values = pd.Series(numbers, index=index)
    known = values.dropna()
    if known.empty:
        return None, values
    if hint == "integer" and (known == known.round()).all() and known.abs().max() < 2**53:
        return "integer", values.astype("Int64")
    return "float", values


def objects(values, hint):
    """Types of columns of anything, by what is in them."""
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return "boolean", values.map({True: "true", False: "false"})
    if kind == "integer":
        try:
            return "integer", values.astype("Int64")
        except (OverflowError, TypeError, ValueError):
            return "string", values.map(str, na_action="ignore")
    if kind in ("floating", "mixed-integer-float", "decimal"):
        return floats(pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64"), values.index, hint)
    if kind in ("datetime64", "datetime", "date"):
        return plain(pd.to_datetime(values, errors="coerce"), hint)
    return "string", values.map(str, na_action="ignore")


def without(feature, frame, withheld):
    """Runs a feature on a frame that lacks the targets, and gives each row its targets back."""
    withheld = [name for name in withheld if name in frame.columns]
    kept = frame.drop(columns=withheld)
    made = tidy(run([feature], kept.copy(), withheld))
    if not withheld:
        return made
    name = feature[0]["name"]
    taken = [target for target in withheld if target in made.columns]
    if taken:
        raise Refused(f'Feature "{name}": the code makes the column "{taken[0]}", which is the target')
    rows, places = traced(made, kept)
    if rows == "unknown":
        raise Refused(
            f'Feature "{name}": the code changes the rows so that their targets cannot be told. Keep the index of df'
        )
    made = made.assign(**{target: (frame[target] if places is None else frame[target].iloc[places]).array for target in withheld})
    return made[[name for name in frame.columns if name in made.columns] + [n for n in made.columns if n not in frame.columns]]


def out_of_fold(feature, frame, numbers, spec):
    """Runs a feature that uses a target: for each part of the rows without their own targets, and never with those of rows
    that models are tested on."""
    name, target = feature[0]["name"], feature[0]["target"]
    others = [other for other in spec["withheld"] if other != target]
    kept = frame.drop(columns=[other for other in others if other in frame.columns])
    if not kept.index.is_unique:
        raise Refused(f'Feature "{name}": the code before it changes the rows so that they cannot be told apart')
    numbers = np.asarray(numbers)
    learned, folds = ~np.isin(numbers, spec["held"]), numbers % FOLDS
    parts = []
    for rows in [~learned, *(learned & (folds == fold) for fold in range(FOLDS))]:
        if not rows.any():
            continue
        seen = kept.copy()
        seen[target] = seen[target].where(learned & ~rows)
        made = tidy(run([feature], seen, others))
        if len(made) != len(kept) or not made.index.equals(kept.index):
            raise Refused(f'Feature "{name}": code that uses the target must keep the rows and the index of df')
        parts.append(made[rows])
    made = pd.concat(parts).loc[kept.index]
    return made.assign(**{column: frame[column].array for column in [target, *others] if column in frame.columns})


def made_of(spec, frame, ids):
    """Runs the features of a spec. Code sees no target unless it says that it uses one."""
    features = [(feature, compiled(feature)) for feature in spec["features"]]
    if not spec.get("withheld") and not any(feature.get("target") for feature, _ in features):
        return run(features, frame)
    numbers = pd.Series(np.arange(len(frame)) if ids is None or not spec["isKnown"] else ids.to_numpy(), index=frame.index)
    for feature in features:
        if feature[0].get("target") in frame.columns:
            frame = out_of_fold(feature, frame, numbers.reindex(frame.index), spec)
        else:
            frame = without(feature, frame, spec["withheld"])
    return frame


def make(spec):
    """Makes all features, and writes the table with the types of its columns."""
    frame, ids = load()
    made = tidy(made_of(spec, frame, ids))
    source, _ = load()
    rows, places = traced(made, source)
    types, columns = {}, {}
    for name in made.columns:
        kind, columns[name] = plain(made[name], spec["types"].get(name))
        if kind:
            types[name] = kind
    numbers = places if ids is None else ids.to_numpy() if places is None else ids.to_numpy()[places]
    if spec["isKnown"] and rows != "unknown" and numbers is not None:
        columns[ROW_ID], types[ROW_ID] = pd.Series(numbers, index=made.index), "integer"
    with open(os.path.join(OUT, "table.csv"), "w", encoding="utf-8", errors="replace", newline="") as file:
        # Says to the reader which sign separates the fields.
        file.write("sep=,\r\n")
        # The reader drops the blanks around a text without quotes, and ends a row where one has a line break.
        pd.DataFrame(columns).to_csv(file, index=False, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    result = {"rows": rows, "types": types, "columns": list(columns)}
    # Of rows that cannot be traced it is not known.
    return result if rows == "unknown" else {**result, "changed": changed(made, source, places)}


def numbers_of(values):
    """Returns a column as floats, none when it holds something else."""
    dtype = values.dtype
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return np.where(values.isna(), np.nan, values.astype("int64").to_numpy(dtype="float64"))
    return None


def pearson(one, other):
    """Returns the correlation of two columns, none when one of them does not vary."""
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) < 3 or one.min() == one.max() or other.min() == other.max():
        return None
    found = float(np.corrcoef(one, other)[0, 1])
    return found if math.isfinite(found) else None


def association(values, target):
    """Returns how closely a column goes along with the target: of classes, with that which it goes along with most."""
    goals = numbers_of(target)
    if goals is not None:
        goals = [goals]
    else:
        codes, classes = pd.factorize(target)
        if not 2 <= len(classes) <= CLASSES_MAX:
            return None
        missing = codes < 0
        goals = [np.where(missing, np.nan, codes == code) for code in range(1 if len(classes) == 2 else 0, len(classes))]
    found = []
    for goal in goals:
        numbers = numbers_of(values)
        if numbers is None:
            if values.nunique() * 2 > len(values):
                return None
            numbers = pd.Series(goal, index=values.index).groupby(values.map(str)).transform("mean").to_numpy()
        found.append(pearson(numbers, goal))
    found = [one for one in found if one is not None]
    return max(found, key=abs) if found else None


def described(made, name, target):
    """Measures a column."""
    values = made[name]
    numbers = numbers_of(values)
    missing = values.isna() if numbers is None else np.isnan(numbers)
    distinct = int(values[~np.asarray(missing)].map(str).nunique())
    measured = {"name": name, "nullRate": float(np.mean(missing)), "distinct": distinct}
    if numbers is not None and not missing.all() and not pd.api.types.is_datetime64_any_dtype(values.dtype):
        found = {"mean": np.nanmean(numbers), "std": np.nanstd(numbers), "min": np.nanmin(numbers), "max": np.nanmax(numbers)}
        measured.update((what, float(number)) for what, number in found.items() if np.isfinite(number))
    if target is not None and target in made.columns and target != name:
        measured["correlation"] = association(values, made[target])
    return measured


def depends(features, frame, outputs, target):
    """Tries whether features change when the target's values change places. None: that cannot be told."""
    if target is None or target not in frame.columns or target in outputs:
        return None
    sample = frame.head(SAMPLE_ROWS)
    shuffled = sample.copy()
    shuffled[target] = pd.Series(sample[target].sample(frac=1, random_state=1).array, index=sample.index)
    if shuffled[target].equals(sample[target]):
        return None

    def differ(one, other):
        return any(not one[name].equals(other[name]) for name in outputs)

    try:
        first, second, third = (run(features, one.copy()) for one in (sample, sample, shuffled))
        # Of what differs anyway nothing follows.
        return None if differ(first, second) else differ(first, third)
    except (KeyError, Refused):
        return None


def measure(spec):
    """Measures what features make, without writing it."""
    frame, _ = load()
    features = [(feature, compiled(feature)) for feature in spec["features"]]
    made = tidy(run(features, frame.copy()))
    outputs = spec["outputs"]
    missing = [name for name in outputs if name not in made.columns]
    if missing:
        new = [name for name in made.columns if name not in frame.columns]
        raise Refused(f'The code does not make the column "{missing[0]}"; it makes {", ".join(new[:20]) or "no column"}')
    target = spec.get("target")
    columns = [described(made, name, target) for name in outputs]
    return {"rows": len(made), "columns": columns, "dependsOnTarget": depends(features, frame, outputs, target)}


def main():
    """Does what the spec says, and tells what came of it."""
    warnings.simplefilter("ignore")
    with open(os.path.join(IN, "spec.json"), encoding="utf-8") as file:
        spec = json.load(file)
    try:
        result = measure(spec) if spec["mode"] == "measure" else make(spec)
    except Refused as error:
        result = {"error": str(error)}
    except MemoryError:
        result = {"error": "The code needs more memory than it may use"}
    partial = os.path.join(OUT, "result.partial")
    with open(partial, "w", encoding="utf-8", errors="replace") as file:
        json.dump(result, file)
    os.replace(partial, os.path.join(OUT, "result.json"))


main()
