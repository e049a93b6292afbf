"""Which names hold tables, and what columns they have: assignments are followed through the source, nothing is run."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# A column and its type.
Column = tuple[str, str]

READERS = frozenset(
    {
        "read_csv",
        "read_table",
        "read_parquet",
        "read_json",
        "read_ndjson",
        "read_excel",
        "read_feather",
        "read_ipc",
        "scan_csv",
        "scan_parquet",
        "scan_ndjson",
    }
)
# Methods whose result has the columns of what they are called on.
_KEEPS = frozenset(
    [
        "copy",
        "head",
        "tail",
        "sample",
        "dropna",
        "fillna",
        "query",
        "sort_values",
        "sort_index",
        "reset_index",
        "drop_duplicates",
        "astype",
        "replace",
        "round",
        "clip",
        "where",
        "mask",
        "infer_objects",
        "convert_dtypes",
        "bfill",
        "ffill",
        "interpolate",
        "nlargest",
        "nsmallest",
        "set_index",
        "groupby",
        "group_by",
        "filter",
        "sort",
        "collect",
        "lazy",
        "limit",
        "slice",
        "unique",
        "drop_nulls",
        "fill_null",
        "fill_nan",
        "to_pandas",
        "clone",
        "sum",
        "mean",
        "median",
        "min",
        "max",
        "count",
        "std",
        "var",
        "first",
        "last",
        "agg",
        "aggregate",
        "transform",
        "rolling",
        "shift",
        "diff",
        "cumsum",
        "rank",
        "truncate",
        "with_row_index",
        "cast",
    ]
)
_UNIONS = frozenset({"merge", "join", "concat", "hstack", "vstack", "merge_asof"})
_COLUMNS_MAX = 2000
_NODES_MAX = 50_000


@dataclass(frozen=True)
class Dataset:
    """A dataset of the project: its id, its name in `/workspace/datasets`, and its columns."""

    id: str
    filename: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Frame:
    """A table: its columns, where they come from, and the library it belongs to."""

    columns: tuple[Column, ...]
    source: str
    library: str = "pandas"

    def with_columns(self, added: list[str]) -> Frame:
        """It, with further columns of unknown type."""
        names = {name for name, _ in self.columns}
        extra = tuple((name, "") for name in dict.fromkeys(added) if name not in names)
        return Frame((self.columns + extra)[:_COLUMNS_MAX], self.source, self.library)

    def only(self, names: list[str]) -> Frame:
        """It, with these columns alone."""
        types = dict(self.columns)
        return Frame(tuple((name, types.get(name, "")) for name in names), self.source, self.library)

    def without(self, names: list[str]) -> Frame:
        """It, without these columns."""
        return Frame(tuple(column for column in self.columns if column[0] not in names), self.source, self.library)

    def renamed(self, names: dict[str, str]) -> Frame:
        """It, with columns renamed."""
        return Frame(tuple((names.get(name, name), kind) for name, kind in self.columns), self.source, self.library)

    def joined(self, other: Frame) -> Frame:
        """The columns of both."""
        names = {name for name, _ in self.columns}
        extra = tuple(column for column in other.columns if column[0] not in names)
        return Frame((self.columns + extra)[:_COLUMNS_MAX], f"{self.source}, {other.source}", self.library)


@dataclass(frozen=True)
class Call:
    """The arguments of a call, as nodes of the tree."""

    positional: list[Any]
    named: dict[str, Any]

    def get(self, index: int, name: str) -> Any | None:
        """An argument by place or name."""
        if name in self.named:
            return self.named[name]
        return self.positional[index] if index < len(self.positional) else None


@dataclass
class Tables:
    """What is known of the names of a source, up to a place."""

    datasets: tuple[Dataset, ...]
    frames: dict[str, Frame] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    # Names that were given a value which is no table, as far as can be told.
    others: set[str] = field(default_factory=set)

    # -- reading a source ------------------------------------------------------------------------------------------

    def read(self, module: Any, until: tuple[int, int]) -> Tables:
        """Follows the assignments before a place (line from 1, column)."""
        for node in _statements(module, until):
            try:
                self._statement(node)
            except (AttributeError, IndexError, ValueError, RecursionError):
                # A tree of broken code may have any shape; what cannot be read is not known.
                continue
        return self

    def _statement(self, node: Any) -> None:
        if node.type in ("atom_expr", "power"):
            self._load_helper(node)
            return
        children = node.children
        if len(children) > 1 and children[1].type == "annassign":
            annotated = children[1].children
            if len(annotated) == 4:
                self._assign(children[0], self.value(annotated[3]))
            return
        if len(children) < 3 or getattr(children[1], "value", "") != "=":
            return
        value = self.value(children[-1])
        self._load_helper(children[-1])
        for target in children[:-1:2]:
            self._assign(target, value, children[-1])

    def _assign(self, target: Any, value: Frame | str | None, node: Any = None) -> None:
        if target.type == "name":
            name = target.value
            for known in (self.frames, self.texts):
                known.pop(name, None)
            self.others.discard(name)
            if isinstance(value, Frame):
                self.frames[name] = value
            elif isinstance(value, str):
                self.texts[name] = value
            else:
                self.others.add(name)
        elif target.type in ("atom_expr", "power") and len(target.children) == 2 and target.children[0].type == "name":
            frame = self.frames.get(target.children[0].value)
            trailer = target.children[1]
            if frame is None or trailer.type != "trailer":
                return
            if trailer.children[0].value == "[":
                self.frames[target.children[0].value] = frame.with_columns(self._names(trailer.children[1]))
            elif trailer.children[0].value == "." and trailer.children[1].value == "columns" and node is not None:
                if names := self._names(node):
                    self.frames[target.children[0].value] = frame.only(names)

    def _load_helper(self, node: Any) -> None:
        """`load_preprocessing_dataset(file, id, type, "name")` makes the global `name`."""
        if node.type not in ("atom_expr", "power") or node.children[0].type != "name":
            return
        if node.children[0].value == "load_preprocessing_dataset" and len(node.children) > 1:
            call = _call(node.children[1])
            target = self._text(call.get(3, "df_name")) if call else None
            frame = self.value(node)
            if target and isinstance(frame, Frame):
                self.frames[target] = frame
                self.others.discard(target)

    # -- values of expressions -------------------------------------------------------------------------------------

    def value(self, node: Any, depth: int = 0) -> Frame | str | None:
        """The table or the text that an expression gives; none when that is not known."""
        if depth > 50:
            return None
        if node.type == "name":
            return self.frames.get(node.value) or self.texts.get(node.value)
        if node.type in ("string", "strings"):
            return _literal(node)
        if node.type == "atom" and len(node.children) == 3 and node.children[0].value == "(":
            return self.value(node.children[1], depth + 1)
        if node.type == "await_expr" or node.type == "namedexpr_test":
            return self.value(node.children[-1], depth + 1)
        if node.type in ("term", "arith_expr"):
            return self._joined_texts(node, depth)
        if node.type in ("atom_expr", "power"):
            return self._trailers(node, depth)
        return None

    def _joined_texts(self, node: Any, depth: int) -> str | None:
        parts = [self.value(child, depth + 1) for child in node.children[::2]]
        operators = {child.value for child in node.children[1::2]}
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) != len(parts):
            return None
        if operators == {"/"}:
            return posixpath.join(*texts)
        return "".join(texts) if operators == {"+"} else None

    def _trailers(self, node: Any, depth: int) -> Frame | str | None:
        first = node.children[0]
        value = self.value(first, depth + 1)
        # The dotted name so far, while it is no value: `pd.read_csv`.
        name = first.value if first.type == "name" and value is None else ""
        root = name
        method = ""
        for trailer in node.children[1:]:
            if trailer.type != "trailer":
                return None
            opener = trailer.children[0].value
            if opener == ".":
                attribute = trailer.children[1].value
                if value is None:
                    name = f"{name}.{attribute}" if name else ""
                else:
                    method = attribute
                continue
            if opener == "(":
                call = _call(trailer)
                if isinstance(value, Frame):
                    value = self._method(value, method, call, depth)
                elif isinstance(value, str):
                    value = value if method in ("as_posix", "resolve", "absolute", "strip") else None
                else:
                    value = self._function(root, name.rpartition(".")[2], call, depth) if name else None
                if value is None:
                    return None
                name, method = "", ""
                continue
            value = self._subscript(value, method, trailer)
            if value is None:
                return None
            method = ""
        if method:
            return value if method in ("loc", "iloc", "parent") else None
        return value

    def _function(self, root: str, function: str, call: Call, depth: int) -> Frame | str | None:
        library = "polars" if root in ("pl", "polars") else "pandas"
        first = call.get(0, "filename")
        if function in READERS:
            source = first or next(
                (call.named[key] for key in ("filepath_or_buffer", "source", "path", "io") if key in call.named), None
            )
            path = self.value(source, depth + 1) if source is not None else None
            dataset = self.dataset(path) if isinstance(path, str) else None
            return Frame(dataset.columns, dataset.filename, library) if dataset else None
        if function == "load_preprocessing_dataset":
            id_node = call.get(1, "dataset_id")
            for node in (id_node, first):
                text = self._text(node)
                if text and (dataset := self.dataset(text)):
                    return Frame(dataset.columns, dataset.filename)
            return None
        if function in ("resolve_dataset_path", "Path", "str", "PurePath", "abspath"):
            value = self.value(first or call.positional[0], depth + 1) if (first or call.positional) else None
            return value if isinstance(value, str) else None
        if root == "os" and function == "join":
            values = [self.value(node, depth + 1) for node in call.positional]
            texts = [value for value in values if isinstance(value, str)]
            return posixpath.join(texts[0], *texts[1:]) if texts and len(texts) == len(values) else None
        if (function in ("DataFrame", "LazyFrame") and first is None and call.positional) or function == "DataFrame":
            data = call.get(0, "data")
            if data is None:
                return Frame((), "here", library)
            if isinstance(inner := self.value(data, depth + 1), Frame):
                return inner
            keys = _dict_keys(data)
            return Frame(tuple((key, "") for key in keys), "here", library) if keys else None
        if function in _UNIONS:
            nodes = call.positional + [
                call.named[key] for key in ("left", "right", "objs", "items") if key in call.named
            ]
            return self._union(nodes, depth)
        return None

    def _union(self, nodes: list[Any], depth: int) -> Frame | None:
        frames = []
        for node in nodes:
            for item in _items(node):
                value = self.value(item, depth + 1)
                if isinstance(value, Frame):
                    frames.append(value)
        if not frames:
            return None
        result = frames[0]
        for frame in frames[1:20]:
            result = result.joined(frame)
        return result

    def _method(self, frame: Frame, method: str, call: Call, depth: int) -> Frame | None:
        if method == "assign":
            return frame.with_columns(list(call.named))
        if method == "with_columns":
            return frame.with_columns(list(call.named))
        if method == "rename":
            mapping = call.named.get("columns") or (call.positional[0] if call.positional else None)
            return frame.renamed(_dict_texts(mapping)) if mapping is not None else frame
        if method == "drop":
            rows = "columns" not in call.named and "axis" not in call.named and frame.library == "pandas"
            dropped = call.named.get("columns") or (call.positional[0] if call.positional else None)
            return frame if rows or dropped is None else frame.without(self._names(dropped))
        if method == "select":
            names = [name for node in call.positional for name in self._names(node)]
            return frame.only(names) if names else frame
        if method in _UNIONS:
            other = self._union(call.positional + list(call.named.values()), depth)
            return frame.joined(other) if other else frame
        return frame if method in _KEEPS else None

    def _subscript(self, value: Frame | str | None, method: str, trailer: Any) -> Frame | None:
        if not isinstance(value, Frame) or method not in ("", "loc", "iloc"):
            return None
        index = trailer.children[1]
        if method:
            return value
        if index.type == "string":
            # One column is no table, but `groupby` and the like go on from it; they are not followed.
            return None
        names = self._names(index) if index.type == "atom" else []
        return value.only(names) if names else value

    def dataset(self, path: str) -> Dataset | None:
        """The dataset that a path or an id means."""
        parts = path.split("/")
        for dataset in self.datasets:
            if dataset.id in parts:
                return dataset
        base = parts[-1]
        return next((dataset for dataset in self.datasets if dataset.filename in (base, path)), None)

    def _text(self, node: Any | None) -> str | None:
        value = self.value(node) if node is not None else None
        return value if isinstance(value, str) else None

    def _names(self, node: Any) -> list[str]:
        """The literal texts of a text, a list or a tuple."""
        return [text for item in _items(node) if (text := self._text(item)) is not None]


def frame_of(tables: Tables, expression: str, parse: Callable[[str], Any]) -> Frame | None:
    """The table that a piece of source gives."""
    if not expression or len(expression) > 5000:
        return None
    try:
        node = parse(expression + "\n").children[0]
        while node.type in ("simple_stmt", "file_input"):
            node = node.children[0]
        value = tables.value(node)
    except (AttributeError, IndexError, ValueError, RecursionError):
        return None
    return value if isinstance(value, Frame) else None


def _statements(module: Any, until: tuple[int, int]) -> Iterator[Any]:
    """Assignments and calls that stand as statements, in order, before a place."""
    stack = list(reversed(module.children))
    seen = 0
    while stack and seen < _NODES_MAX:
        node = stack.pop()
        seen += 1
        if node.start_pos >= until:
            continue
        if node.type in ("expr_stmt", "atom_expr", "power"):
            if node.end_pos <= until:
                yield node
        elif hasattr(node, "children") and node.type not in ("lambdef", "arglist", "trailer"):
            stack.extend(reversed(node.children))


def _call(trailer: Any) -> Call:
    call = Call([], {})
    inner = trailer.children[1:-1]
    if not inner:
        return call
    arguments = inner[0].children if inner[0].type == "arglist" else inner
    for argument in arguments:
        if getattr(argument, "value", None) == ",":
            continue
        if argument.type == "argument" and len(argument.children) == 3 and argument.children[1].type == "operator":
            if argument.children[1].value == "=":
                call.named[argument.children[0].value] = argument.children[2]
        elif argument.type != "argument":
            call.positional.append(argument)
    return call


def _items(node: Any) -> list[Any]:
    """The parts of a list or a tuple; a node that is neither, alone."""
    if node.type == "atom" and node.children[0].value in "([" and len(node.children) == 3:
        inner = node.children[1]
        if inner.type in ("testlist_comp", "testlist"):
            return [child for child in inner.children if getattr(child, "value", None) != ","]
        return [inner]
    if node.type in ("testlist_comp", "testlist", "subscriptlist", "exprlist", "testlist_star_expr"):
        return [child for child in node.children if getattr(child, "value", None) != ","]
    return [node]


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    if node.type != "atom" or node.children[0].value != "{" or len(node.children) != 3:
        return []
    inner = node.children[1]
    if inner.type != "dictorsetmaker":
        return []
    parts = [child for child in inner.children if getattr(child, "value", None) not in (",", ":")]
    return list(zip(parts[::2], parts[1::2], strict=False))


def _dict_keys(node: Any) -> list[str]:
    return [text for key, _ in _pairs(node) if (text := _literal(key)) is not None]


def _dict_texts(node: Any) -> dict[str, str]:
    texts = {}
    for key, value in _pairs(node):
        old, new = _literal(key), _literal(value)
        if old is not None and new is not None:
            texts[old] = new
    return texts


def _literal(node: Any) -> str | None:
    if node.type == "strings":
        parts = [_literal(child) for child in node.children]
        return "".join(part for part in parts if part is not None) if all(part is not None for part in parts) else None
    if node.type != "string" or len(node.value) > 10_000:
        return None
    try:
        value = ast.literal_eval(node.value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else None
