from __future__ import annotations

from collections.abc import Callable

import pytest

from gristmill_assist.cells import Cell
from gristmill_assist.engine import Engine, Question
from gristmill_assist.frames import Dataset
from gristmill_assist.inference import Inference
from gristmill_assist.prelude import Variable

FRAME = "import pandas as pd\ndf = pd.read_csv('/workspace/datasets/sales.csv')\n"
COLUMNS = ["region", "unit price", 'the "best"']
Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine(Inference(paths=[], cache=None))
    engine.datasets = (
        Dataset("11111111-0000", "sales.csv", tuple((name, "text") for name in COLUMNS)),
        Dataset("22222222-0000", "other.csv", (("elsewhere", "text"),)),
    )
    return engine


@pytest.fixture
def ask(engine: Engine) -> Ask:
    def asked(code: str, cells: list[Cell] | None = None, current: str | None = None) -> list[str]:
        lines = code.split("\n")
        column = len(lines[-1].encode("utf-16-le")) // 2
        answers = engine.completions(Question("completions", code, len(lines), column, cells or [], current))
        assert len(answers) <= 50
        assert all(len(answer.get("docstring", "")) <= 200 for answer in answers)
        return [answer["name"] for answer in answers]

    return asked


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('df["', ["region", "unit price", 'the \\"best\\"']),
        ("df['", ["region", "unit price", 'the "best"']),
        ("df['\U0001f600'], df['re", ["region"]),
        ('df[["region", "un', ["unit price"]),
        ('df["unit ', ["price"]),
        ('df.loc[df["re', ["region"]),
        ('df.groupby("re', ["region"]),
        ('df.merge(df, on="re', ["region"]),
        ('x = df.rename(columns={"region": "area"})\nx["a', ["area"]),
        ('x = df.assign(total=1)\nx["to', ["total"]),
        ('df["new"] = 1\ndf["n', ["new"]),
        ('x = df.drop(columns=["region"])\nx["re', []),
        ('x = df[["region"]]\nx["', ["region"]),
        ("p = '/workspace/datasets/'\ndf = pd.read_csv(p + 'other.csv')\ndf[\"", ["elsewhere"]),
        ('x = pd.read_csv(resolve_dataset_path("other.csv"))\nx["', ["elsewhere"]),
        ('load_preprocessing_dataset("other.csv", "22222222-0000", "csv", "z")\nz["', ["elsewhere"]),
        ('pd.read_csv("sales.csv", usecols=["re', ["region"]),
        ("f\"{df['re", ["region"]),
        ('pd.read_csv("', ["/workspace/datasets/sales.csv", "/workspace/datasets/other.csv"]),
        ('pd.read_csv("/workspace/datasets/sa', ["sales.csv"]),
        ('pd.read_csv("sa', ["/workspace/datasets/sales.csv"]),
        ('resolve_dataset_path("sa', ["sales.csv"]),
        ('load_preprocessing_dataset("sales.csv", "11', ["11111111-0000"]),
        ("# df.", []),
        ("x = 'df.", []),
        ("df.head().dropn", ["dropna"]),
        ("df.regi", ["region"]),
    ],
)
def test_completions(ask: Ask, code: str, names: list[str]) -> None:
    assert ask(FRAME + code) == names


def test_unknown_frames_offer_all_columns(ask: Ask) -> None:
    assert "elsewhere" in ask('def f(frame):\n    frame["')


def test_dicts_are_left_to_jedi(ask: Ask) -> None:
    assert ask('d = {"key": 1}\nd["') == ['"key"'] or ask('d = {"key": 1}\nd["') == ["key"]


def test_cells_are_joined_by_position(ask: Ask) -> None:
    cells = [
        Cell("c", "zzz_late = 1", 3),
        Cell("b", "stale", 2),
        Cell("a", "%time\nx = '''open\nzzz_lost = 1", 0),
        Cell("d", "zzz_early = 1", 1),
    ]
    assert ask("zzz_", cells, "b") == ["zzz_early"]


def test_live_variables(engine: Engine, ask: Ask) -> None:
    engine.variables = {
        "live": Variable("pandas.core.frame.DataFrame", ("now",)),
        "number": Variable("builtins.int"),
        "bad name; import os": Variable("os"),
        "odd": Variable("no such type; import os"),
    }
    try:
        assert ask('live["') == ["now"]
        assert ask("number.bit_l") == ["bit_length"]
        assert "dropna" in ask("live.dropn")
    finally:
        engine.variables = {}


def test_hover_and_signatures(engine: Engine) -> None:
    hover = engine.hover(Question("hover", FRAME + "df", 3, 1, [], None))
    assert hover is not None
    assert hover["docstring"].startswith("Table from sales.csv: region (text)")
    signature = engine.signatures(Question("signatures", FRAME + "df.merge(df, how='left', on=", 3, 28, [], None))[0]
    assert signature["params"][signature["activeParam"]]["name"] == "on"
    assert {"name": "sort", "description": "sort: bool=False", "default": "False"} in signature["params"]


@pytest.mark.parametrize(("line", "column"), [(0, 0), (9, 0), (1, 10**9), (-1, -1)])
def test_places_that_are_not_there(engine: Engine, line: int, column: int) -> None:
    for op in ("completions", "hover", "signatures", "diagnostics"):
        engine.answer(Question(op, "pri", line, column, [], None))
