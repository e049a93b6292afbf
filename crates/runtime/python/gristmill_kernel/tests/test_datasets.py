import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill_kernel import install
from gristmill_kernel.places import Places


@pytest.fixture
def names(places: Places) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    install(namespace, places)
    return namespace


def test_resolves_by_id_to_a_writable_copy(names: dict[str, Any], places: Places) -> None:
    one = Path(names["resolve_dataset_path"]("sales.csv", "one"))
    two = Path(names["resolve_dataset_path"]("sales.csv", "two"))
    assert one != two
    assert one.read_text() == "a,b\n1,x\n2,y\n"
    assert two.read_text() == "a,b\n3,z\n"
    one.write_text("changed")
    assert names["resolve_dataset_path"]("sales.csv", "one") == str(one)
    assert one.read_text() == "changed"
    assert (places.datasets / "one" / "original").read_text() == "a,b\n1,x\n2,y\n"


def test_resolves_by_name_and_prefers_the_workspace(names: dict[str, Any], places: Places) -> None:
    assert Path(names["resolve_dataset_path"]("sales.csv")).read_text() == "a,b\n1,x\n2,y\n"
    (places.workspace / "own.csv").write_text("mine")
    assert names["resolve_dataset_path"]("own.csv") == str(places.workspace / "own.csv")
    (places.workspace / "deep" / "er").mkdir(parents=True)
    (places.workspace / "deep" / "er" / "far.csv").write_text("far")
    assert names["resolve_dataset_path"]("far.csv") == str(places.workspace / "deep" / "er" / "far.csv")


def test_resolves_what_is_nowhere_to_where_it_would_be(names: dict[str, Any], places: Places) -> None:
    assert names["resolve_dataset_path"]("new.csv") == str(places.workspace / "new.csv")
    assert names["resolve_dataset_path"]("new.csv", "x") == str(places.workspace / "data" / "x" / "new.csv")


@pytest.mark.parametrize("name", ["", "..", ".", "/", "a\0b"])
def test_refuses_names_that_are_no_file_names(names: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match="not a file name"):
        names["resolve_dataset_path"](name)


def test_paths_in_names_stay_in_the_workspace(names: dict[str, Any], places: Places) -> None:
    assert names["resolve_dataset_path"]("../../etc/passwd", "../x") == str(places.workspace / "data" / "x" / "passwd")


def test_loads_the_same_rows_again_after_changes(names: dict[str, Any]) -> None:
    frame = names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    assert names["rows"] is frame
    assert names["active_dataset_id"] == "one"
    assert Path(names["dataset_path"]).name == "sales.csv"
    frame["a"] = 0
    del frame["b"]
    again = names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    assert again.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_saves_beside_the_original_and_loads_that(names: dict[str, Any]) -> None:
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    names["rows"] = names["rows"][["a"]]
    saved = names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    assert saved.endswith("data/one/sales_processed.csv")
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "again")
    assert names["again"].to_dict("list") == {"a": [1, 2]}
    assert names["dataset_path"] == saved
    # The suffix is never doubled, and the other dataset of this name is untouched.
    assert names["save_preprocessing_dataset"]("sales_processed.csv", "one", "csv", "rows") == saved
    other = names["load_preprocessing_dataset"]("sales.csv", "two", "csv", "other")
    assert other.to_dict("list") == {"a": [3], "b": ["z"]}


def test_begins_anew_from_the_stored_table(names: dict[str, Any], places: Places) -> None:
    stored = places.datasets / "one"
    pd.DataFrame({"a": [1]}).to_parquet(stored / "v9.parquet", index=False)
    newest = pd.DataFrame({"a": [5, 6], "at": pd.to_datetime(["2024-01-01", None])})
    newest.to_parquet(stored / "v10.parquet", index=False)
    (stored / "v11.parquet.partial").write_text("not yet")
    for _ in range(2):
        # The same code twice does the same twice.
        frame = names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows", from_original=True)
        assert not (places.workspace / "data" / "one" / "sales_processed.csv").exists()
        assert frame["a"].tolist() == [5, 6], "the newest version by its number"
        assert str(frame["at"].dtype).startswith("datetime64"), "with its types"
        frame["a"] = frame["a"] * 10
        names["rows"] = frame
        names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    assert names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")["a"].tolist() == [50, 60]


def test_whole_numbers_with_gaps_stay_whole(names: dict[str, Any], places: Places) -> None:
    gaps = {"n": [1, None], "half": [1, None], "cast": [1, 2]}
    frame = pd.DataFrame(gaps).astype("Int64")
    frame.to_parquet(places.datasets / "one" / "v1.parquet", index=False)
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows", from_original=True)
    names["rows"]["half"] = names["rows"]["half"] / 2
    names["rows"]["cast"] = names["rows"]["cast"].astype(float)
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    assert saved.read_text() == "n,half,cast\n1,0.5,1.0\n,,2.0\n"
    for number, shown in ((float("inf"), ""), (1e20, "1e+20")):
        names["rows"]["n"] = [number, 2]
        names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
        assert saved.read_text().startswith(f"n,half,cast\n{shown},"), "what no whole number holds stays a float"


def test_long_whole_numbers_with_gaps_are_not_rounded(names: dict[str, Any], places: Places) -> None:
    columns = {"long": [2**53 + 1, None, -(2**63)], "short": [1, None, 3]}
    pq.write_table(pa.table(columns), places.datasets / "one" / "v1.parquet")
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows", from_original=True)
    assert str(names["rows"]["short"].dtype) == "float64", "as pandas has it, where nothing is lost"
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    assert saved.read_text() == "long,short\n9007199254740993,1\n,\n-9223372036854775808,3\n"
    assert types_of(saved) == {"long": "integer", "short": "integer"}


def types_of(saved: Path) -> dict[str, str]:
    told = json.loads((saved.parent / f".{saved.name}.types.json").read_text())
    assert told["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    types: dict[str, str] = told["types"]
    return types


ZONED = ["2024-03-31T01:30:00.5+02:00", None, "2024-01-01T00:00:00.123456+02:00"]
#: A column of each kind, with the type that it has in the server's words.
TYPED: dict[str, tuple[Any, str | None]] = {
    "__row_id": ([3, 1, 2], "integer"),
    "zip": (["00501", "12345", "90210"], "string"),
    "digits": (["1", "2", None], "string"),
    "words": (["NA", "null", 'été, "日本"\n2'], "string"),
    "truth": ([True, None, False], "boolean"),
    "yes": (["yes", "no", "yes"], "string"),
    "whole": (pd.array([1, None, 3], "Int64"), "integer"),
    "large": ([2**63 - 1, -(2**63), 2**53 + 1], "integer"),
    "huge": ([2**63, 2**64 - 1, 0], "string"),
    "half": ([1.0, None, 3.0], "float"),
    "zoned": (pd.to_datetime(ZONED, utc=True), "date"),
    "day": (pd.to_datetime(["2024-01-01", "2024-01-02", None]), "date"),
    "day_text": (["2024-01-01", "2024-01-02", None], "string"),
    "class": (pd.Categorical(["1", "2", None]), "string"),
    "mixed": ([1, "x", None], "string"),
    "nothing": ([None, None, None], None),
}


@pytest.mark.parametrize("name", ["sales.csv", "sales.tsv", "sales.json", "sales.jsonl", "sales.xlsx"])
def test_types_are_told_and_kept(names: dict[str, Any], name: str) -> None:
    frame = pd.DataFrame({column: values for column, (values, _) in TYPED.items()})
    frame["zoned"] = frame["zoned"].dt.tz_convert("Europe/Berlin")
    before = frame.copy(deep=True)
    names["rows"] = frame
    saved = Path(names["save_preprocessing_dataset"](name, "one", None, "rows"))
    assert types_of(saved) == {column: kind for column, (_, kind) in TYPED.items() if kind}
    pd.testing.assert_frame_equal(names["rows"], before, obj="what was saved is left alone")

    again = names["load_preprocessing_dataset"](name, "one", None, "again")
    for column in ("zip", "words", "yes"):
        assert again[column].tolist() == before[column].tolist(), column
    for column in ("digits", "day_text", "class", "mixed"):
        texts = [None if pd.isna(value) else str(value) for value in before[column]]
        assert [None if pd.isna(value) else value for value in again[column]] == texts, column
    assert again["__row_id"].tolist() == [3, 1, 2]
    assert [str(number) for number in again["large"]] == [str(number) for number in before["large"]]
    assert [str(number) for number in again["huge"]] == [str(2**63), str(2**64 - 1), "0"]
    assert again["whole"].isna().tolist() == again["truth"].isna().tolist() == [False, True, False]
    zoned = pd.to_datetime(again["zoned"], utc=True)
    if name != "sales.xlsx":  # Workbooks know milliseconds.
        assert zoned.tolist() == before["zoned"].dt.tz_convert("UTC").tolist()
    assert zoned.iloc[0] == pd.Timestamp("2024-03-30T23:30:00.5Z")


def test_types_are_told_of_columns_with_a_name_of_their_own(names: dict[str, Any]) -> None:
    names["rows"] = pd.DataFrame([["1", "2", "3", "4", "5"]], columns=["a", "a", " b ", "", 7])
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    assert types_of(saved) == {"7": "string"}


def test_numbers_that_are_none_are_missing(names: dict[str, Any]) -> None:
    inf = float("inf")
    names["rows"] = pd.DataFrame({"some": [1.5, inf, -inf], "none": [inf, inf, -inf]})
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    assert saved.read_text() == "some,none\n1.5,\n,\n,\n"
    assert types_of(saved) == {"some": "float"}


def test_types_of_another_file_count_for_nothing(names: dict[str, Any]) -> None:
    names["rows"] = pd.DataFrame({"zip": ["1", "2"]})
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    assert names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "again")["zip"].tolist() == ["1", "2"]
    saved.write_text("zip\n3\n")
    assert names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "again")["zip"].tolist() == [3]
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "again", from_original=True)
    assert list(saved.parent.glob(".*")) == [], "nothing stays of an earlier run"


def test_texts_with_line_ends_stay_in_their_rows(names: dict[str, Any]) -> None:
    texts = ["a\rb", "c\nd", "e\r\nf", 'g"h', "i,j"]
    names["rows"] = pd.DataFrame({"text": texts, "n": range(len(texts))})
    saved = Path(names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows"))
    with saved.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["text", "n"], *([text, str(n)] for n, text in enumerate(texts))]


def test_begins_anew_from_the_original_where_there_is_no_table(names: dict[str, Any]) -> None:
    names["rows"] = pd.DataFrame({"a": [0]})
    names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    frame = names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows", from_original=True)
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    with pytest.raises(FileNotFoundError, match="not in this project"):
        names["load_preprocessing_dataset"]("nowhere.csv", "../three", "csv", "rows", from_original=True)


def test_a_file_changed_by_hand_is_read_again(names: dict[str, Any]) -> None:
    names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows")
    Path(names["dataset_path"]).write_text("c\n7\n")
    assert names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "rows").to_dict("list") == {"c": [7]}


@pytest.mark.parametrize(
    ("name", "file_type", "content"),
    [
        ("t.tsv", "tsv", b"a\tb\n1\tx\n"),
        ("t.tab", None, b"a\tb\n1\tx\n"),
        ("t.csv", None, b"a,b\n1,x\n1,2,3,4\n"),
        ("t.json", "json", b'[{"a":1,"b":"x"}]'),
        ("t.json", "json", b'{"a":1,"b":"x"}\n'),
        ("t.jsonl", "jsonl", b'{"a":1,"b":"x"}\n'),
        ("t.ndjson", None, b'{"a":1,"b":"x"}\n'),
        ("original", "ndjson", b'{"a":1,"b":"x"}\n'),
    ],
)
def test_reads_and_writes_every_text_format(
    names: dict[str, Any], places: Places, name: str, file_type: str | None, content: bytes
) -> None:
    (places.workspace / name).write_bytes(content)
    frame = names["load_preprocessing_dataset"](name, None, file_type, "f")
    assert frame.to_dict("list") == {"a": [1], "b": ["x"]}
    names["save_preprocessing_dataset"](name, None, file_type, "f")
    assert names["load_preprocessing_dataset"](name, None, file_type, "g").to_dict("list") == {"a": [1], "b": ["x"]}


def test_reads_and_writes_workbooks_and_parquet(names: dict[str, Any], places: Places) -> None:
    frame = pd.DataFrame({"a": [1], "b": ["x"]})
    frame.to_excel(places.workspace / "t.xlsx", index=False)
    frame.to_parquet(places.workspace / "t.parquet", index=False)
    for name in ("t.xlsx", "t.parquet"):
        assert names["load_preprocessing_dataset"](name, None, None, "f").equals(frame)
        names["save_preprocessing_dataset"](name, None, None, "f")
        assert names["load_preprocessing_dataset"](name, None, None, "f").equals(frame)


def test_reads_latin_1_where_it_is_not_utf_8(names: dict[str, Any], places: Places) -> None:
    (places.workspace / "l.csv").write_bytes("a\nMünchen\n".encode("latin-1"))
    assert names["load_preprocessing_dataset"]("l.csv").to_dict("list") == {"a": ["München"]}


def test_says_what_cannot_be_loaded_or_saved(names: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError, match="not in this project"):
        names["load_preprocessing_dataset"]("nowhere.csv", "one2", "csv", "df")
    with pytest.raises(ValueError, match="cannot name a variable"):
        names["load_preprocessing_dataset"]("sales.csv", "one", "csv", "a b")
    names["df"] = 3
    with pytest.raises(TypeError, match="'df' is not a DataFrame but int"):
        names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "df")
    with pytest.raises(TypeError, match="not a DataFrame but NoneType"):
        names["save_preprocessing_dataset"]("sales.csv", "one", "csv", "never_set")


def test_saves_to_the_project_with_a_manifest(names: dict[str, Any], places: Places) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    path = Path(names["save_to_project"](frame, " Clean sales-2_ü "))
    assert path == places.workspace / "_exports" / "Clean sales-2_ü.csv"
    assert path.read_text() == "a,b\n1,x\n2,\n"
    names["save_to_project"](frame, "second")
    manifest = json.loads((places.workspace / "_exports" / ".manifest.json").read_text())
    assert [(entry["name"], entry["rows"], entry["cols"]) for entry in manifest] == [
        ("Clean sales-2_ü", 2, 2),
        ("second", 2, 2),
    ]
    assert len({entry["exportId"] for entry in manifest}) == 2
    assert all(entry["timestamp"].endswith("+00:00") for entry in manifest)


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a.csv", "a\nb", "a\tb", 3, "x" * 201])
def test_refuses_names_of_exports(names: dict[str, Any], places: Places, name: Any) -> None:
    with pytest.raises(ValueError, match="a dataset's name"):
        names["save_to_project"](pd.DataFrame({"a": [1]}), name)
    assert not (places.workspace / "_exports").exists()


def test_a_broken_manifest_is_begun_anew(names: dict[str, Any], places: Places) -> None:
    (places.workspace / "_exports").mkdir()
    manifest = places.workspace / "_exports" / ".manifest.json"
    for broken in ("{", "{}", "\udcff"):
        manifest.write_bytes(broken.encode(errors="surrogateescape"))
        names["save_to_project"](pd.DataFrame({"a": [1]}), "n")
        assert len(json.loads(manifest.read_text())) == 1


def test_a_failed_save_leaves_nothing_behind(
    names: dict[str, Any], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", broken)
    with pytest.raises(OSError, match="no space"):
        names["save_to_project"](pd.DataFrame({"a": [1]}), "n")
    assert list((places.workspace / "_exports").iterdir()) == []


def test_takes_frames_of_polars_and_pyarrow(names: dict[str, Any]) -> None:
    import polars
    import pyarrow

    for frame in (polars.DataFrame({"a": [1]}), pyarrow.table({"a": [1]})):
        assert Path(names["save_to_project"](frame, "p")).read_text() == "a\n1\n"


def test_shows_at_most_100_rows_and_50_columns(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    names["_display_df"](pd.DataFrame({f"c{i}": range(500) for i in range(80)}))
    html = shown[0].data
    assert html.count("<tr") <= 103
    assert html.count("<th>c") == 50
    assert "500 rows × 80 columns" in html
