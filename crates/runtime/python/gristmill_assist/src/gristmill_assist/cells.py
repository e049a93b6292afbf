"""The cells of a notebook as one text, and places in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from .magics import mask
from .scanning import scan

# Beyond this, far cells are left out, and a cell on its own is not looked at.
SOURCE_MAX = 512 * 1024
# Python refuses more.
_DEPTH_MAX = 200


@dataclass(frozen=True)
class Cell:
    """A cell as it was sent."""

    id: str
    content: str
    position: float


@dataclass(frozen=True)
class Joined:
    """The cells that matter for a place in the current one, as plain Python."""

    text: str
    # The current cell alone, masked, and how many lines stand before it in `text`.
    current: str
    lines_before: int


def join(code: str, cells: list[Cell], current_id: str | None) -> Joined | None:
    """The cells by position with `code` in place of the current one, IPython's additions masked; none when the current
    cell is too large to be looked at."""
    code = normalized(code)
    if len(code) > SOURCE_MAX:
        return None
    ordered = sorted(cells, key=lambda cell: cell.position)
    at = next((index for index, cell in enumerate(ordered) if cell.id == current_id), len(ordered))
    current = mask(code)
    state = scan(current.split("\n"))
    if state.deepest > _DEPTH_MAX:
        return None
    room = SOURCE_MAX - len(code)
    before: list[str] = []
    for cell in reversed(ordered[:at]):
        room -= len(cell.content)
        if room < 0:
            break
        before.append(_other(cell.content))
    before.reverse()
    after: list[str] = []
    # An open bracket or string would swallow what follows.
    if state.neutral:
        for cell in ordered[at + 1 :]:
            room -= len(cell.content)
            if room < 0:
                break
            after.append(_other(cell.content))
    text = "\n".join([*before, current, *after])
    return Joined(text, current, sum(part.count("\n") + 1 for part in before))


def _other(content: str) -> str:
    return _remembered(content) if len(content) < 50_000 else closed(mask(normalized(content)))


@lru_cache(maxsize=256)
def _remembered(content: str) -> str:
    """Cells beside the current one rarely change between two keys."""
    return closed(mask(normalized(content)))


def normalized(text: str) -> str:
    """Line breaks as `\\n`, and no characters that would count as a line break here and not in an editor."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ").replace("\x00", " ")


def closed(text: str) -> str:
    """A cell that ends within a bracket or a string is cut there, lines kept: it must not swallow the next cells."""
    lines = text.split("\n")
    state = scan(lines)
    first = min(
        [bracket.line for bracket in state.brackets[:1]] + ([state.string.line] if state.string else []),
        default=None,
    )
    if first is None:
        return text
    kept = lines[:first]
    line = lines[first]
    indent = line[: len(line) - len(line.lstrip())]
    return "\n".join([*kept, indent + "pass", *[""] * (len(lines) - first - 1)])


def from_utf16(line: str, units: int) -> int:
    """A column in code points, from one in UTF-16 units; the end of the line when it is beyond it."""
    if line.isascii():
        return min(units, len(line))
    for index, char in enumerate(line):
        if units <= 0:
            return index
        units -= 2 if ord(char) > 0xFFFF else 1
    return len(line)


def to_utf16(line: str, column: int) -> int:
    """A column in UTF-16 units, from one in code points."""
    part = line[:column]
    return column if part.isascii() else column + sum(ord(char) > 0xFFFF for char in part)
