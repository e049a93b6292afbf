import signal
import sys
import threading
import time
from typing import Any

import pytest

from gristmill_kernel import live
from gristmill_kernel.live import variables


class Hostile:
    """Runs away when it is looked at in any way that it can notice."""

    def __getattribute__(self, name: str) -> Any:
        while True:
            pass

    def __repr__(self) -> str:
        raise AssertionError


def test_tells_names_and_types_and_no_value() -> None:
    namespace: Any = {"text": "not told", "n": 1, "_hidden": 1, "helper": len, "f": lambda: 0, 7: 8}
    found = variables(namespace, {"helper"})
    assert found == {
        "f": {"type": "builtins.function"},
        "n": {"type": "builtins.int"},
        "text": {"type": "builtins.str"},
    }
    assert list(found) == ["f", "n", "text"], "the newest first"


def test_tells_columns_of_tables() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table = pandas.DataFrame([[1, 2, 3]], columns=["a", "b c", 7])
    found = variables({"df": table, "pl": polars.DataFrame({"x": [1]}), "lazy": polars.LazyFrame({"y": [1]})}, set())
    assert found["df"]["columns"] == ["a", "b c"]
    assert found["pl"]["columns"] == ["x"]
    assert "columns" not in found["lazy"]
    wide = pandas.DataFrame([range(2000)], columns=[f"c{i}" for i in range(2000)])
    assert len(variables({"wide": wide}, set())["wide"]["columns"]) == live.COLUMNS_MAX


def test_is_bounded() -> None:
    found = variables({f"name_{i}": i for i in range(10_000)}, set())
    assert len(found) == live.NAMES_MAX
    assert "name_9999" in found
    assert variables({"n" * 1000: 1, "m": 1}, set()) == {"m": {"type": "builtins.int"}}
    large = type("T" * 5000, (), {})()
    assert variables({"large": large}, set())["large"]["type"] == "object"


def test_values_that_run_away_are_not_asked() -> None:
    began = time.monotonic()
    assert variables({"hostile": Hostile()}, set())["hostile"]["type"].endswith("Hostile")
    assert time.monotonic() - began < 5


def test_a_table_that_runs_away_is_stopped_and_alarms_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table:
        @property
        def columns(self) -> list[str]:
            while True:
                try:
                    time.sleep(10)
                except Exception:  # noqa: S112 - it holds on to life
                    continue

    module = type(sys)("pandas")
    module.DataFrame = Table  # ty: ignore[missing-attribute]
    monkeypatch.setitem(sys.modules, "pandas", module)
    before = signal.getsignal(signal.SIGALRM)
    began = time.monotonic()
    assert variables({"first": 1, "table": Table(), "last": 2}, set()) == {"last": {"type": "builtins.int"}}
    assert time.monotonic() - began < 5
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_code_with_an_alarm_of_its_own_keeps_it() -> None:
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert variables({"a": 1}, set()) == {}
        deadline = time.monotonic() + 10
        while not fired:
            assert time.monotonic() < deadline
    finally:
        signal.signal(signal.SIGALRM, before)


def test_other_threads_look_at_nothing() -> None:
    found: list[dict] = []
    thread = threading.Thread(target=lambda: found.append(variables({"a": 1}, set())))
    thread.start()
    thread.join()
    assert found == [{}]
