"""IPython's additions to Python (`%magic`, `%%magic`, `!command`, `name?`) are masked by text of the same length, so
that the rest keeps its places."""

from __future__ import annotations

import re

from .scanning import STATEMENT, Scanner

# Cell magics whose body is Python.
_PYTHON_CELLS = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun"})
_CELL_MAGIC = re.compile(r"%%(\w+)?")
_LINE_ESCAPE = re.compile(r"(?P<indent>\s*)(?:%|!|\?|,\s*\w|;\s*\w|/\s*\w)")
# At the left edge, without a blank: no formatting of Python gives that within a bracket.
_EDGE_ESCAPE = re.compile(r"!|%{1,2}[A-Za-z]")
_HELP = re.compile(r"\s*[%\w.*]+\?{1,2}\s*(?:#.*)?$")
_ASSIGNED = re.compile(r"(?P<target>\s*[A-Za-z_][\w.,\s\[\]'\"]*=\s*)(?P<escape>%\w|!)")


def mask(text: str) -> str:
    """The cell as plain Python: every line as long as before."""
    lines = text.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    if first is not None and (magic := _CELL_MAGIC.match(lines[first].lstrip())):
        if magic.group(1) not in _PYTHON_CELLS:
            return "\n".join(" " * len(line) for line in lines)
        lines[first] = " " * len(lines[first])
    scanner = Scanner()
    shell = False
    for index, line in enumerate(lines):
        if shell:
            lines[index] = " " * len(line)
            shell = line.endswith("\\")
            scanner.feed("")
            continue
        if scanner.brackets and scanner.string is None and (STATEMENT.match(line) or _EDGE_ESCAPE.match(line)):
            # The bracket was forgotten: the parser will say so, once.
            scanner.brackets.clear()
        if scanner.neutral and (masked := _masked_line(line)) is not None:
            lines[index] = masked
            shell = line.endswith("\\")
            scanner.feed("")
            continue
        scanner.feed(line)
    return "\n".join(lines)


def _masked_line(line: str) -> str | None:
    if len(line) > 100_000:
        return None
    if match := _LINE_ESCAPE.match(line):
        return _statement(len(match.group("indent")), line)
    if line.rstrip().endswith("?") and _HELP.match(line):
        return _statement(len(line) - len(line.lstrip()), line)
    if ("%" in line or "!" in line) and (match := _ASSIGNED.match(line)):
        # `name != 1` and `a % b` do not match: the escape stands right behind the `=`.
        target = match.group("target")
        return target + _value(len(line) - len(target), shell=match.group("escape") == "!")
    return None


def _statement(indent: int, line: str) -> str:
    """A statement that does nothing, since the line may be the only one of its block."""
    room = len(line) - indent
    filler = "pass" if room >= 4 else "0"
    return line[:indent] + filler.ljust(room)


def _value(room: int, *, shell: bool) -> str:
    if shell and room >= 2:
        return "[]".ljust(room)
    return ("None" if room >= 4 else "0").ljust(room)
