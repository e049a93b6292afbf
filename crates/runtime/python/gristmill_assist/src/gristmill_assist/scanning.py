"""A small scanner of Python text: enough to know where strings and brackets are open, whatever else is broken."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"""#|(?P<prefix>(?<!\w)[A-Za-z]{1,2})?(?P<quote>\"\"\"|'''|"|')|[()\[\]{}]|\\$""")
_CLOSERS = {")": "(", "]": "[", "}": "{"}
# A line that ends an open bracket, since it cannot well stand within one.
STATEMENT = re.compile(r"[A-Za-z_][\w.\[\]'\"]*\s*=[^=]|(?:def|class|import|from|for|if|with|while|try|return)\b")
_SINGLE_REST = {
    '"': re.compile(r'(?:\\.|[^"\\])*'),
    "'": re.compile(r"(?:\\.|[^'\\])*"),
}


@dataclass(frozen=True)
class Bracket:
    """An open bracket, and where it is: line from 0, column in code points."""

    char: str
    line: int
    column: int


@dataclass(frozen=True)
class OpenString:
    """An open string literal, and where its content begins."""

    prefix: str
    quote: str
    line: int
    column: int


@dataclass
class Scanner:
    """The state behind the lines given so far."""

    line: int = 0
    brackets: list[Bracket] = field(default_factory=list)
    string: OpenString | None = None
    continued: bool = False
    in_comment: bool = False
    # The most brackets that were open at once.
    deepest: int = 0

    @property
    def neutral(self) -> bool:
        """Whether a new statement could begin here."""
        return not self.brackets and self.string is None and not self.continued

    def feed(self, text: str, *, partial: bool = False) -> None:
        """Reads one line, without its line break. With `partial` it ends at the cursor, so that a string in one line
        may stay open."""
        position = 0
        self.continued = False
        self.in_comment = False
        while True:
            if self.string is not None:
                end = self._string_end(self.string, text, position)
                if end is None:
                    self._leave_line(self.string, partial=partial, continued=text.endswith("\\"))
                    return
                position = end
                self.string = None
            match = _TOKEN.search(text, position)
            if match is None:
                break
            position = match.end()
            if not self._take(match):
                break
        self.line += 1

    def _take(self, match: re.Match[str]) -> bool:
        found = match.group()
        if found == "#":
            self.in_comment = True
            return False
        if found == "\\":
            self.continued = True
        elif quote := match.group("quote"):
            self.string = OpenString((match.group("prefix") or "").lower(), quote, self.line, match.end())
        elif found in _CLOSERS:
            if self.brackets and self.brackets[-1].char == _CLOSERS[found]:
                self.brackets.pop()
        else:
            self.brackets.append(Bracket(found, self.line, match.start()))
            self.deepest = max(self.deepest, len(self.brackets))
        return True

    def _string_end(self, string: OpenString, text: str, position: int) -> int | None:
        quote = string.quote
        if len(quote) == 1:
            rest = _SINGLE_REST[quote].match(text, position)
            end = rest.end() if rest else position
            return end + 1 if end < len(text) and text[end] == quote else None
        while (found := text.find(quote, position)) >= 0:
            backslashes = 0
            while found - backslashes > position and text[found - backslashes - 1] == "\\":
                backslashes += 1
            if backslashes % 2 == 0:
                return found + 3
            position = found + 1
        return None

    def _leave_line(self, string: OpenString, *, partial: bool, continued: bool) -> None:
        # A string in one line that is not closed ends with its line, as the tokenizer recovers.
        if len(string.quote) == 1 and not partial and not continued:
            self.string = None
        self.line += 1


def scan(lines: list[str], *, partial: bool = False) -> Scanner:
    """The state behind all lines; with `partial` the last one ends at the cursor."""
    scanner = Scanner()
    for index, line in enumerate(lines):
        scanner.feed(line, partial=partial and index == len(lines) - 1)
    return scanner


def primary_before(text: str) -> str:
    """The expression that ends where the text ends: names, attributes, calls and subscripts (`a.b(c)[d]`)."""
    position = len(text)
    blanks: str | None = " \t"
    while True:
        stripped = len(text[:position].rstrip(blanks))
        if stripped and text[stripped - 1] in ")]}":
            opened = _opening(text, stripped - 1)
            if opened is None:
                return ""
            position = opened
            blanks = " \t"
            continue
        start = stripped
        while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        if start == stripped:
            break
        position = start
        before = text[:start].rstrip()
        if not before.endswith("."):
            break
        position = len(before) - 1
        # A chain of methods may go over several lines, before its dots only.
        blanks = None
    return text[position:].strip()


def _opening(text: str, closing: int) -> int | None:
    """Where the bracket that is closed at `closing` was opened. Brackets in strings may mislead it; nothing worse
    follows than a completion that is missing."""
    depth = 0
    for index in range(closing, -1, -1):
        char = text[index]
        if char in ")]}":
            depth += 1
        elif char in "([{":
            depth -= 1
            if depth == 0:
                return index
    return None
