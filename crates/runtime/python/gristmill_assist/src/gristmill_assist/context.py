"""What the cursor stands in: a string within a subscript or a call, or behind a dot."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .scanning import OpenString, Scanner, primary_before, scan

_ATTRIBUTE = re.compile(r"\.\s*(\w*)$")
_WORD = re.compile(r"\w*$")


@dataclass(frozen=True)
class InString:
    """Within a string literal."""

    # What is typed of it so far.
    typed: str
    quote: str
    # What the innermost bracket that matters belongs to: `df` in `df["`, `pd.read_csv` in `pd.read_csv("`.
    owner: str
    # `[` or `(`; empty without a bracket.
    bracket: str
    # The number of the argument, from 0, and its name when it is named.
    argument: int = 0
    keyword: str = ""
    # Where the bracket is: line from 0 and column, in the lines that were given; none within an f-string.
    place: tuple[int, int] | None = None
    # What stands between the bracket and the string.
    before: str = ""


@dataclass(frozen=True)
class Attribute:
    """Behind a dot: the expression before it, and what is typed of the attribute."""

    owner: str
    typed: str


@dataclass(frozen=True)
class Plain:
    """Anywhere else in code."""

    typed: str


@dataclass(frozen=True)
class Nothing:
    """In a comment."""


def at(lines: list[str]) -> InString | Attribute | Plain | Nothing:
    """What the end of these lines stands in. They are those of the current cell, the last one cut at the cursor."""
    scanner = scan(lines, partial=True)
    if scanner.string is not None:
        return _in_string(lines, scanner, scanner.string)
    if scanner.in_comment:
        return Nothing()
    return _in_code(lines, scanner)


def _in_code(lines: list[str], scanner: Scanner) -> Attribute | Plain:
    last = lines[-1]
    if match := _ATTRIBUTE.search(last):
        first = scanner.brackets[-1].line if scanner.brackets else _statement_line(lines)
        before = "\n".join([*lines[first:-1], last[: match.start()]])
        owner = primary_before(before)
        # `1.` is a number, not an attribute.
        if owner and not owner.isdigit():
            return Attribute(owner, match.group(1))
    word = _WORD.search(last)
    return Plain(word.group() if word else "")


def _statement_line(lines: list[str]) -> int:
    """A line from which the statement that ends at the cursor can be read: chains of methods may go over several."""
    return max(len(lines) - 50, 0)


def _in_string(lines: list[str], scanner: Scanner, string: OpenString) -> InString | Attribute | Plain | Nothing:
    content = "\n".join([lines[string.line][string.column :], *lines[string.line + 1 :]])
    if "f" in string.prefix and (inner := _replacement_field(content)) is not None:
        # The field of an f-string is code of its own.
        found = at(inner.split("\n"))
        return replace(found, place=None) if isinstance(found, InString) else found
    before_string = string.column - len(string.quote) - len(string.prefix)
    brackets = list(scanner.brackets)
    while brackets:
        bracket = brackets.pop()
        owner = _owner(lines, bracket.line, bracket.column)
        if bracket.char == "{" or (not owner and bracket.char in "(["):
            # A list, a tuple or a dict within a call or a subscript: what is around it matters.
            continue
        place = (bracket.line, bracket.column)
        inside = _between(lines, (bracket.line, bracket.column + 1), (string.line, before_string))
        argument, keyword = _argument(inside)
        return InString(content, string.quote, owner, bracket.char, argument, keyword, place, inside)
    return InString(content, string.quote, "", "")


def _owner(lines: list[str], line: int, column: int) -> str:
    before = "\n".join([*lines[max(line - 50, 0) : line], lines[line][:column]])
    if before and before[-1] in " \t\n":
        return ""
    owner = primary_before(before)
    return (
        "" if owner in ("in", "return", "and", "or", "not", "if", "else", "print", "lambda", "is", "yield") else owner
    )


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    part = list(lines[start[0] : end[0] + 1])
    part[-1] = part[-1][: end[1]]
    part[0] = part[0][start[1] :]
    return "\n".join(part)


def _argument(inside: str) -> tuple[int, str]:
    """Which argument begins behind this text: commas are counted outside of inner brackets."""
    count, depth, last = 0, 0, ""
    for char in re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", "", inside):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            count, last = count + 1, ""
            continue
        last += char
    match = re.match(r"\s*(\w+)\s*=(?!=)", last)
    return count, match.group(1) if match else ""


def _replacement_field(content: str) -> str | None:
    depth = 0
    start = 0
    index = 0
    while index < len(content):
        char = content[index]
        if char == "{":
            if depth == 0 and content[index : index + 2] == "{{":
                index += 2
                continue
            if depth == 0:
                start = index + 1
            depth += 1
        elif char == "}" and depth:
            depth -= 1
        index += 1
    return content[start:] if depth else None
