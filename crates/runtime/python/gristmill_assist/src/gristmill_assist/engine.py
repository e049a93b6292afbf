"""Answers questions about code."""

from __future__ import annotations

import keyword
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import parso

from . import context, syntax
from .cells import Cell, Joined, from_utf16, join
from .frames import READERS, Dataset, Frame, Tables, frame_of
from .inference import Inference, Member, class_names, within
from .prelude import HIDDEN, Variable, prelude

COMPLETIONS_MAX = 50
DATASETS = "/workspace/datasets"
# Documentation that takes longer than this to look up is left out, looked up when idle, and told the next time.
_DESCRIBE_SECONDS = 0.02
_RENEW_AFTER = 3000
# CPU time that is spent on documentation nobody asked for yet: all of it would take half a minute of each worker.
_AHEAD_SECONDS = 3.0
_FRAME_CLASSES = frozenset({"DataFrame", "NDFrame", "LazyFrame", "GroupBy", "DataFrameGroupBy", "TextFileReader"})
_FILE_FUNCTIONS = READERS | {
    "resolve_dataset_path",
    "load_preprocessing_dataset",
    "save_preprocessing_dataset",
    "open",
    "Path",
}
_PATH_KEYWORDS = frozenset({"", "filepath_or_buffer", "source", "path", "io", "filename", "file", "path_or_buf"})
# What is looked at once to fill the cache of parsed modules.
_PREPARED = (
    *(
        f"import {module} as m\nm."
        for module in [
            "pandas",
            "numpy",
            "polars",
            "matplotlib.pyplot",
            "seaborn",
            "plotly.express",
            "sklearn.preprocessing",
            "sklearn.model_selection",
            "sklearn.ensemble",
            "sklearn.linear_model",
            "sklearn.metrics",
            "datetime",
            "json",
            "re",
            "os",
            "pathlib",
            "collections",
        ]
    ),
    "import polars as pl\ndf = pl.read_csv('a')\ndf.",
    "import polars as pl\npl.col('a').",
    "import pandas as pd\npd.read_csv('a')['b'].str.",
    "import pandas as pd\npd.read_csv('a')['b'].dt.",
    "import pandas as pd\npd.read_csv('a').plot.",
    "from sklearn.ensemble import RandomForestClassifier\nRandomForestClassifier().fit([], []).",
    "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.",
)
_SAMPLES = (
    "import pandas as pd\ndf = pd.read_csv('a')\ndf.",
    "import pandas as pd\npd.",
    "import pandas as pd\npd.read_csv('a')['b'].",
    "import numpy as np\nnp.",
    "pri",
    "''.",
    "import pandas as pd\npd.read_csv('a').groupby('b').",
    "import matplotlib.pyplot as plt\nplt.",
    "[].",
    "{}.",
)


@dataclass
class Question:
    """What is asked: everything as it came."""

    op: str
    code: str
    line: int
    column: int
    cells: list[Cell]
    current_id: str | None


@dataclass
class Place:
    """The place of a question in a script."""

    script: Any
    line: int
    column: int
    # The current cell, masked, up to the cursor.
    lines: list[str]
    tables: Tables
    # Where the first of `lines` is in the script.
    first_line: int


class Engine:
    """Answers questions, and gets warm when there are none."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._grammar: Any = parso.load_grammar()
        self.datasets: tuple[Dataset, ...] = ()
        self.variables: dict[str, Variable] = {}
        self._samples = list(_SAMPLES)
        self._warming: deque[str] = deque(self._samples)
        self._describing: Iterator[Member] | None = None
        self._ahead = _AHEAD_SECONDS

    # -- warmth ----------------------------------------------------------------------------------------------------

    def idle_step(self) -> bool:
        """Does a bit of what makes later answers fast; false when nothing is left to do."""
        if self._warming:
            sample = self._warming.popleft()
            # One that fails or takes too long is not tried again after the reset that follows.
            self._samples.remove(sample)
            self._warm(sample)
            self._samples.append(sample)
            return True
        if self._inference.scripts > _RENEW_AFTER:
            self.reset()
            return True
        if self._describing is None:
            self._describing = iter(list(self._inference.untold()))
        for member in self._describing:
            if self._ahead <= 0:
                break
            began = perf_counter()
            member.told()
            self._ahead -= perf_counter() - began
            return True
        self._describing = None
        return False

    def prepare(self) -> None:
        """Looks at the installed libraries, so that what was parsed of them is in the cache."""
        self._warming.extend(_PREPARED)
        while self._warming:
            self._warm(self._warming.popleft())

    def warm_first(self) -> None:
        """Does the first bit, which most answers need."""
        self._warm(self._warming.popleft())

    def reset(self) -> None:
        """Forgets what was inferred, and warms up again when idle."""
        self._inference.reset()
        self._describing = None
        self._ahead = _AHEAD_SECONDS
        self._warming = deque(self._samples)

    def _warm(self, sample: str) -> None:
        lines = sample.split("\n")
        question = Question("completions", sample, len(lines), len(lines[-1]), [], None)
        self.completions(question)

    # -- questions -------------------------------------------------------------------------------------------------

    def answer(self, question: Question) -> dict[str, Any]:
        """The answer, in the form of the contract."""
        if question.op == "completions":
            return {"completions": self.completions(question)}
        if question.op == "hover":
            return {"hover": self.hover(question)}
        if question.op == "signatures":
            return {"signatures": self.signatures(question)}
        if question.op == "diagnostics":
            return {"diagnostics": syntax.diagnostics(question.code)}
        raise ValueError(f"unknown op {question.op!r}")

    def completions(self, question: Question) -> list[dict[str, str]]:
        """What could be written at the place, best first."""
        place = self._place(question)
        if place is None:
            return []
        where = context.at(place.lines)
        self._describing = None
        if isinstance(where, context.InString):
            return self._in_string(place, where)
        if isinstance(where, context.Attribute):
            return self._attributes(place, where)
        if isinstance(where, context.Plain):
            return self._names(place, where)
        return []

    def hover(self, question: Question) -> dict[str, str] | None:
        """What the name at the place means."""
        place = self._place(question)
        if place is None:
            return None
        full = question.code.replace("\r\n", "\n").split("\n")[question.line - 1]
        word = _word(r"\w*$", place.lines[-1]) + _word(r"^\w*", full[len(place.lines[-1]) :])
        names = place.script.help(place.line, place.column) or place.script.infer(place.line, place.column)
        if not names:
            return self._hover_frame(place, word)
        name = names[0]
        docstring = name.docstring()
        full_name = name.full_name
        if not docstring or name.type in ("statement", "instance", "param"):
            inferred = place.script.infer(place.line, place.column)
            if inferred:
                docstring = docstring or inferred[0].docstring()
                full_name = inferred[0].full_name or full_name
        if (frame := place.tables.frames.get(word)) and name.type in ("statement", "instance", "param"):
            docstring = _columns_text(frame) + ("\n\n" + docstring if docstring else "")
        answer = {"name": name.name, "type": name.type, "docstring": docstring[:1000]}
        if full_name and not full_name.startswith(("__main__", HIDDEN)):
            answer["fullName"] = full_name
        return answer

    def _hover_frame(self, place: Place, word: str) -> dict[str, str] | None:
        frame = place.tables.frames.get(word)
        if frame is None:
            return None
        return {"name": word, "type": "instance", "docstring": _columns_text(frame)[:1000]}

    def signatures(self, question: Question) -> list[dict[str, Any]]:
        """How the function at the place is called."""
        place = self._place(question)
        if place is None:
            return []
        answers = []
        for signature in place.script.get_signatures(place.line, place.column)[:20]:
            params = [_parameter(param) for param in signature.params]
            index = signature.index
            answers.append(
                {
                    "name": signature.name,
                    "docstring": signature.docstring(raw=True)[:500],
                    "params": params,
                    "activeParam": len(params) if index is None else index,
                }
            )
        return answers

    # -- places ----------------------------------------------------------------------------------------------------

    def _place(self, question: Question) -> Place | None:
        joined = join(question.code, question.cells, question.current_id)
        if joined is None:
            return None
        current = joined.current.split("\n")
        if not 1 <= question.line <= len(current):
            return None
        line = current[question.line - 1]
        # Masked lines have the same length; the line as it was written tells the width of its characters.
        written = question.code.replace("\r\n", "\n").replace("\r", "\n").split("\n")[question.line - 1]
        column = min(from_utf16(written, question.column), len(line))
        lines = [*current[: question.line - 1], line[:column]]
        return self._script(joined, lines, question.line, column)

    def _script(self, joined: Joined, lines: list[str], line: int, column: int) -> Place:
        loaded: dict[str, Frame] = {}
        if "load_preprocessing_dataset" in joined.text:
            helper = Tables(self.datasets).read(self._grammar.parse(joined.text), (joined.lines_before + line, column))
            loaded = {
                name: frame
                for name, frame in helper.frames.items()
                if f'"{name}"' in joined.text or f"'{name}'" in joined.text
            }
        before = prelude(self.variables, loaded)
        first = before.count("\n") + joined.lines_before
        script = self._inference.script(before + joined.text)
        tables = Tables(self.datasets).read(script._module_node, (first + line, column))
        for name, variable in self.variables.items():
            if variable.columns is None:
                continue
            library = "polars" if variable.type.startswith("polars") else "pandas"
            known = tables.frames.get(name) or Frame((), "the kernel", library)
            tables.frames[name] = known.with_columns(list(variable.columns))
        return Place(script, first + line, column, lines, tables, first + 1)

    def _parse(self, text: str) -> Any:
        return self._grammar.parse(text)

    # -- completions by place ----------------------------------------------------------------------------------------

    def _in_string(self, place: Place, where: context.InString) -> list[dict[str, str]]:
        if len(where.typed) > 500:
            return []
        function = where.owner.rpartition(".")[2]
        if where.bracket == "(" and function in _FILE_FUNCTIONS and where.keyword in _PATH_KEYWORDS:
            if answers := self._files(where, function):
                return answers
        if where.bracket:
            frame, certain = self._frame_around(place, where, function)
            columns = frame.columns if frame else (() if certain else self._all_columns())
            if columns:
                return _column_answers(columns, where.typed, where.quote, frame.source if frame else None)
        return self._jedi(place)

    def _frame_around(self, place: Place, where: context.InString, function: str) -> tuple[Frame | None, bool]:
        """The table whose columns a string may name; and, when there is none, whether that is certain."""
        tables = place.tables
        owner = where.owner
        if where.bracket == "[":
            base = re.sub(r"\.(?:loc|iloc|at)$", "", owner)
            if frame := frame_of(tables, base, self._parse):
                return frame, True
            return None, not self._maybe_frame(place, where, base)
        base = owner.rpartition(".")[0]
        if base and (frame := frame_of(tables, base, self._parse)):
            return frame, True
        if function in READERS:
            # `pd.read_csv("a.csv", usecols=["`
            return frame_of(tables, owner + "(" + where.before.split(",")[0] + ")", self._parse), True
        for name in re.findall(r"\b[A-Za-z_]\w*\b", where.before):
            # `sns.scatterplot(data=df, x="`, `px.bar(df, x="`
            if name in tables.frames:
                return tables.frames[name], True
        return None, True

    def _maybe_frame(self, place: Place, where: context.InString, base: str) -> bool:
        if where.place is None:
            return True
        line, column = where.place
        values = self._inference.values_before(place.script, place.first_line + line, column)
        names = class_names(values)
        if names:
            return bool(names & _FRAME_CLASSES)
        return base.isidentifier() and base != "_"

    def _files(self, where: context.InString, function: str) -> list[dict[str, str]]:
        helper = function in ("resolve_dataset_path", "load_preprocessing_dataset", "save_preprocessing_dataset")
        if helper and (where.argument == 1 or where.keyword == "dataset_id"):
            return [
                _text_answer(dataset.id, where, "value", dataset.filename)
                for dataset in self.datasets
                if dataset.id.startswith(where.typed)
            ][:COMPLETIONS_MAX]
        if where.argument and not where.keyword:
            return []
        answers = []
        for dataset in self.datasets:
            names = ", ".join(name for name, _ in dataset.columns[:20])
            about = f"Dataset with columns {names}" if names else "Dataset"
            path = dataset.filename if helper else f"{DATASETS}/{dataset.filename}"
            typed = where.typed
            if path.startswith(typed):
                answers.append(_text_answer(path, where, "path", about))
            elif dataset.filename.lower().startswith(typed.lower()):
                # The word that was typed is replaced by the whole path.
                answers.append({"name": _escaped(path, where.quote), "type": "path", "docstring": about[:200]})
            elif f"datasets/{dataset.filename}".startswith(typed):
                answers.append(_text_answer(f"datasets/{dataset.filename}", where, "path", about))
        return answers[:COMPLETIONS_MAX]

    def _attributes(self, place: Place, where: context.Attribute) -> list[dict[str, str]]:
        text = place.lines[-1]
        if re.match(r"\s*(?:from|import)\b", text):
            return self._jedi(place)
        dot = text.rstrip()[: len(text.rstrip()) - len(where.typed)].rfind(".")
        values = self._inference.values_before(place.script, place.line, dot)
        frame = frame_of(place.tables, where.owner, self._parse)
        members: list[Member] = []
        names = class_names(values)
        if "NDFrame" in names and "DataFrame" not in names:
            # Jedi takes `Self` for the class that declares the method; nobody holds the base of frame and series.
            members = self._frame_members("pandas")
        elif values:
            members = self._inference.members(place.script, values, place.line, dot + 1)
        elif frame is not None:
            members = self._frame_members(frame.library)
        answers = self._told(_matching(members, where.typed))
        if frame is not None:
            columns = _attribute_answers(frame.columns, where.typed, {member.name for member in members}, frame.source)
            # With nothing typed, half of the list is for the columns.
            room = COMPLETIONS_MAX if where.typed else COMPLETIONS_MAX // 2
            return (columns[:room] + answers)[:COMPLETIONS_MAX]
        if names & {"DataFrame", "NDFrame"} or (not values and where.owner.isidentifier()):
            answers += _attribute_answers(self._all_columns(), where.typed, {member.name for member in members}, None)
        return answers[:COMPLETIONS_MAX]

    def _frame_members(self, library: str) -> list[Member]:
        source = f"from {library} import DataFrame\n_f: DataFrame\n_f."
        script = self._inference.script(source)
        values = self._inference.values_before(script, 3, 2)
        return self._inference.members(script, values, 3, 3) if values else []

    def _names(self, place: Place, where: context.Plain) -> list[dict[str, str]]:
        if where.typed[:1].isdigit():
            return []
        found = [Member(completion) for completion in place.script.complete(place.line, place.column)]
        found = [member for member in found if not member.name.startswith(HIDDEN)]
        return self._told(sorted(found, key=_rank))[:COMPLETIONS_MAX]

    def _jedi(self, place: Place) -> list[dict[str, str]]:
        return self._told([Member(completion) for completion in place.script.complete(place.line, place.column)])

    def _told(self, members: list[Member]) -> list[dict[str, str]]:
        time_left = within(_DESCRIBE_SECONDS)
        return [
            member.told() if member.known or time_left() else member.brief() for member in members[:COMPLETIONS_MAX]
        ]

    def _all_columns(self) -> tuple[tuple[str, str], ...]:
        columns: dict[str, str] = {}
        for dataset in self.datasets:
            for name, kind in dataset.columns:
                columns.setdefault(name, kind)
        return tuple(columns.items())


def _rank(member: Member) -> tuple[int, bool]:
    completion = member.completion
    private = member.name.startswith("_")
    try:
        if completion.name_with_symbols.endswith("="):
            return 0, private
        if completion.type == "keyword":
            return 3, private
        module = completion.module_name
    except Exception:
        return 2, private
    if module in ("builtins", "typing"):
        return 2, private
    return 1, private


def _matching(members: list[Member], typed: str) -> list[Member]:
    start = typed.lower()
    return [member for member in members if member.name.lower().startswith(start)]


def _column_answers(
    columns: tuple[tuple[str, str], ...], typed: str, quote: str, source: str | None
) -> list[dict[str, str]]:
    start = typed.lower()
    answers = []
    for name, kind in columns:
        if not name.lower().startswith(start):
            continue
        # The word before the cursor is replaced; what stands before it stays as it was typed.
        kept = len(typed) - len(_word(r"\w*$", typed))
        answers.append(_column(_escaped(name[kept:], quote), kind, source))
        if len(answers) == COMPLETIONS_MAX:
            break
    return answers


def _attribute_answers(
    columns: tuple[tuple[str, str], ...], typed: str, members: set[str], source: str | None
) -> list[dict[str, str]]:
    start = typed.lower()
    return [
        _column(name, kind, source)
        for name, kind in columns
        if name.isidentifier()
        and not keyword.iskeyword(name)
        and name not in members
        and name.lower().startswith(start)
    ]


def _word(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group() if found else ""


def _column(name: str, kind: str, source: str | None) -> dict[str, str]:
    about = "Column" + (f" of {source}" if source else "") + (f": {kind}" if kind else "")
    return {"name": name, "type": "property", "docstring": about[:200]}


def _text_answer(text: str, where: context.InString, kind: str, about: str) -> dict[str, str]:
    kept = len(where.typed) - len(_word(r"\w*$", where.typed))
    return {"name": _escaped(text[kept:], where.quote), "type": kind, "docstring": about[:200]}


def _escaped(text: str, quote: str) -> str:
    text = text.replace("\\", "\\\\").replace(quote[0], "\\" + quote[0])
    return text.replace("\n", "\\n").replace("\r", "\\r")


def _columns_text(frame: Frame) -> str:
    columns = ", ".join(f"{name} ({kind})" if kind else name for name, kind in frame.columns[:40])
    return f"Table from {frame.source}: {columns}" if columns else f"Table from {frame.source}"


def _parameter(param: Any) -> dict[str, str]:
    declared = param.to_string()
    answer = {"name": param.name, "description": declared[:300]}
    depth = 0
    for index, char in enumerate(declared):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "=" and depth == 0:
            answer["default"] = declared[index + 1 :].strip()[:200]
            break
    return answer
