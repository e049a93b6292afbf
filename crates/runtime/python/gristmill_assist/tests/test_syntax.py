from __future__ import annotations

import pytest

from gristmill_assist.syntax import diagnostics


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("x = 1\nawait f()", []),
        ("%time\n!ls\ndf?\nok = 1", []),
        ("match x:\n    case 1: pass", []),
        ("x = (\nfor y in z\n  pass\ndef f(:\n   pass\n%time\n!ls\nok=1", [(1, 4), (2, 10), (4, 6)]),
        ("return 1", [(1, 0)]),
        ("if x:\n  a\n    b", [(3, 3)]),
        ("x = '\ny = 1\nz = )", [(1, 4), (3, 4)]),
        # A character beyond the basic plane counts two.
        ("x = '\U0001f600' )", [(1, 9)]),
        ("x\x00 )", [(1, 3)]),
    ],
)
def test_places(code: str, places: list[tuple[int, int]]) -> None:
    assert [(error["line"], error["column"]) for error in diagnostics(code)] == places


@pytest.mark.parametrize("code", ["(" * 10_000, "-" * 100_000 + "1", "x = 1\n" * 300_000, "[" * 300 + "]" * 300])
def test_hostile(code: str) -> None:
    assert len(diagnostics(code)) <= 20
