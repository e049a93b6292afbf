"""Syntax errors of a cell."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass, replace
from typing import Any

from .cells import normalized, to_utf16
from .magics import mask
from .scanning import STATEMENT, Scanner

ERRORS_MAX = 20
_SOURCE_MAX = 1024 * 1024
_CONTINUES = re.compile(r"\s|[)\]}]|(?:else|elif|except|finally)\b|#|$")
# What the second parser does not know; its errors are not believed there.
_NEW_SYNTAX = re.compile(r"^\s*(?:match\b.*:|type\s+\w+.*=|except\s*\*)", re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """A syntax error: lines from 1, columns from 0 in code points."""

    line: int
    column: int
    end_line: int
    end_column: int
    message: str


def diagnostics(code: str) -> list[dict[str, Any]]:
    """The errors of the cell in the order of lines, as they are answered. Cells are compiled each on its own, so other
    cells have no say."""
    if len(code) > _SOURCE_MAX:
        return []
    text = normalized(code)
    lines = text.split("\n")
    answers = []
    for problem in problems(mask(text)):
        first, last = _line(lines, problem.line), _line(lines, problem.end_line)
        answers.append(
            {
                "line": problem.line,
                "column": to_utf16(first, problem.column),
                "endLine": problem.end_line,
                "endColumn": to_utf16(last, problem.end_column),
                "message": problem.message,
                "severity": "error",
            }
        )
    return answers


def problems(source: str) -> list[Problem]:
    """The errors of plain Python: one of each top-level statement, and those after it that a second parser sees too."""
    whole = _compile(source)
    if whole is None:
        return []
    found: list[Problem] = []
    lines = source.split("\n")
    starts = _statement_starts(lines)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        # Each on its own: an error further down would change what is said about this one.
        problem = _compile("\n".join(lines[start:end]))
        if problem is None:
            continue
        problem = replace(problem, line=problem.line + start, end_line=problem.end_line + start)
        found.append(problem)
        found.extend(_others(lines[start:end], start, problem))
        if len(found) >= ERRORS_MAX:
            break
    return sorted(set(found or [whole]), key=lambda item: (item.line, item.column))[:ERRORS_MAX]


def _compile(source: str) -> Problem | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return _problem(error, source.split("\n"))
    except (RecursionError, MemoryError):
        return Problem(1, 0, 1, 1, "the code is nested too deeply")
    except ValueError as error:
        return Problem(1, 0, 1, 1, str(error))
    return None


def _problem(error: SyntaxError, lines: list[str]) -> Problem:
    line = min(max(error.lineno or 1, 1), len(lines))
    text = _line(lines, line)
    column = min(max((error.offset or 1) - 1, 0), len(text))
    end_line = min(max(error.end_lineno or line, line), len(lines))
    end_column = min(max((error.end_offset or 0) - 1, 0), len(_line(lines, end_line)))
    if (end_line, end_column) <= (line, column):
        end_line, end_column = line, column + 1
    return Problem(line, column, end_line, end_column, error.msg or "invalid syntax")


def _statement_starts(lines: list[str]) -> list[int]:
    """Where top-level statements begin, from 0; decorators and `else` parts belong to them. An open bracket ends with
    the next line that begins at the left edge and looks like a statement."""
    starts = [0]
    scanner = Scanner()
    decorated = False
    for index, line in enumerate(lines):
        in_string = scanner.string is not None
        if not in_string and not scanner.continued and not _CONTINUES.match(line):
            if not scanner.brackets or STATEMENT.match(line):
                scanner.brackets.clear()
                if not decorated and index:
                    starts.append(index)
                decorated = line.startswith("@")
        scanner.feed(line)
    return starts


def _others(block: list[str], start: int, first: Problem) -> list[Problem]:
    """Errors of the block beside the first: those of a parser that recovers, where it agrees about the first."""
    source = "\n".join(block)
    if len(source) > 50_000 or _NEW_SYNTAX.search(source):
        return []
    import parso

    grammar: Any = parso.load_grammar(version=f"{sys.version_info.major}.{min(sys.version_info.minor, 13)}")
    try:
        issues = list(grammar.iter_errors(grammar.parse(source)))
    except (RecursionError, MemoryError):
        return []
    if not any(issue.start_pos[0] + start == first.line for issue in issues):
        return []
    others = []
    reported = {first.line}
    for issue in issues:
        line = issue.start_pos[0] + start
        # Its words for the indentation that follows from another error are not worth a mark of their own.
        if line in reported or line <= first.end_line or issue.code == 903:
            continue
        reported.add(line)
        message = str(issue.message).removeprefix("SyntaxError: ")
        end_line, end_column = issue.end_pos[0] + start, issue.end_pos[1]
        if end_line > line:
            end_line, end_column = line, issue.start_pos[1] + 1
        others.append(Problem(line, issue.start_pos[1], end_line, max(end_column, issue.start_pos[1] + 1), message))
    return others


def _line(lines: list[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""
