from __future__ import annotations

import pytest

from gristmill_assist.magics import mask


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        ("%matplotlib inline\nx = 1", "pass              \nx = 1"),
        ("!ls -l", "pass  "),
        ("if x:\n    !ls", "if x:\n    0  "),
        ("df?", "0  "),
        ("?pd.read_csv", "pass        "),
        ("files = !ls", "files = [] "),
        ("t = %time f()", "t = None     "),
        ("%%time\nx = (1", "      \nx = (1"),
        ("%%bash\necho $HOME", "      \n          "),
        ("!ls \\\n  -l\nx", "pass \n    \nx"),
        # Python that only looks alike.
        ("x = (10\n  % 3)", "x = (10\n  % 3)"),
        ('"""\n%time\n!ls\n"""', '"""\n%time\n!ls\n"""'),
        ("a != b", "a != b"),
        ("x = a % b", "x = a % b"),
        # A bracket that was forgotten does not hide the next line's magic.
        ("x = (\n%time y", "x = (\npass   "),
    ],
)
def test_masks_with_equal_length(written: str, masked: str) -> None:
    assert mask(written) == masked
    assert [len(line) for line in written.split("\n")] == [len(line) for line in masked.split("\n")]
