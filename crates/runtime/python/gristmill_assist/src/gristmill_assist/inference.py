"""Jedi, kept warm: what it learnt of the installed libraries is used again for the next question.

A `jedi.Script` begins from nothing, which takes 300 ms on a pandas frame. Here all scripts share one inference state,
and the members of types from installed modules are listed once: 5-20 ms. The state is renewed in idle time, since it
also keeps what it learnt of sources that are gone.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import jedi
import jedi.api
import jedi.settings
import parso.cache
from jedi.api.environment import InterpreterEnvironment
from jedi.inference import InferenceState
from jedi.inference.helpers import infer_call_of_leaf

NOTEBOOK = "/workspace/_gristmill_notebook_.py"
_MEMBERS_MAX = 400


class Member:
    """A completion, with what is told of it: that is looked up once."""

    def __init__(self, completion: Any) -> None:
        self.completion = completion
        self.name: str = completion.name
        self._told: dict[str, str] | None = None

    @property
    def known(self) -> bool:
        """Whether telling costs nothing."""
        return self._told is not None

    def told(self) -> dict[str, str]:
        """The completion as it is answered."""
        if self._told is None:
            self._told = describe(self.completion)
        return self._told

    def brief(self) -> dict[str, str]:
        """The completion without what takes time to look up."""
        return {"name": self.name, "type": _kind_at_sight(self.completion)}


_KINDS = {
    "funcdef": "function",
    "classdef": "class",
    "import_name": "module",
    "param": "param",
    "expr_stmt": "statement",
}


def _kind_at_sight(completion: Any) -> str:
    """What kind of thing a name is, without going to the module that it is imported from: that may take a second."""
    definition = _guarded(lambda: completion._name.tree_name.get_definition().type)
    if definition in _KINDS:
        return _KINDS[definition]
    return "class" if completion.name[:1].isupper() else "function"


def _guarded(read: Any) -> Any:
    try:
        return read()
    except Exception:
        return None


def describe(completion: Any) -> dict[str, str]:
    """Name, type, module, signature and the beginning of the documentation."""
    kind = _guarded(lambda: completion.type) or "statement"
    told = {"name": completion.name, "type": kind}
    if module := _guarded(lambda: completion.module_name):
        if not module.startswith(("__main__", "_gristmill")):
            told["module"] = module
    if kind in ("function", "class"):
        signatures = _guarded(completion.get_signatures) or []
        if signatures and (text := _guarded(signatures[0].to_string)):
            told["signature"] = text[:300]
    # Of a variable or a module, the documentation would have to be looked up in other modules; it says little.
    if kind in ("function", "class", "property", "keyword") and (
        docstring := _guarded(lambda: completion.docstring(raw=True))
    ):
        told["docstring"] = docstring[:200]
    return told


class Inference:
    """One warm inference state and what is cached beside it."""

    def __init__(self, *, paths: list[str], cache: str | None, cache_writable: bool = False) -> None:
        if cache is not None:
            jedi.settings.cache_directory = cache
        if not cache_writable:
            # Nothing is written: the cache may be shared, and what is unpickled from it must come from no project.
            cached: Any = parso.cache
            cached._save_to_file_system = lambda *_args, **_kwargs: None
            cached._remove_cache_and_update_lock = lambda *_args, **_kwargs: None
        self._environment = InterpreterEnvironment()
        self._project = jedi.Project(
            str(Path(NOTEBOOK).parent), added_sys_path=paths, smart_sys_path=False, load_unsafe_extensions=False
        )
        roots = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(Path(jedi.__file__).parent)}
        self._trusted = tuple(os.path.realpath(root) + os.sep for root in roots) + tuple(
            root + os.sep for root in roots
        )
        self.scripts = 0
        self.state: Any = None
        self._members: dict[Any, list[Member]] = {}
        self.reset()
        scripts: Any = jedi.api
        scripts.InferenceState = lambda *_args, **_kwargs: self.state

    def reset(self) -> None:
        """Forgets what was inferred. Parsed modules stay."""
        self.scripts = 0
        self._members = {}
        self.state = InferenceState(self._project, environment=self._environment, script_path=None)

    def script(self, source: str) -> Any:
        """A script over the shared state. Only the last one may be used."""
        self.scripts += 1
        self.state.reset_recursion_limitations()
        self.state.inferred_element_counts = {}
        return jedi.Script(source, path=Path(NOTEBOOK), project=self._project, environment=self._environment)

    def values_before(self, script: Any, line: int, column: int) -> list[Any]:
        """What the expression that ends before a place may be; `column` is that of its dot or bracket."""
        leaf = script._module_node.get_leaf_for_position((line, column), include_prefixes=True)
        if leaf is None:
            return []
        if leaf.start_pos >= (line, column):
            leaf = leaf.get_previous_leaf()
        if leaf is None or leaf.type == "error_leaf":
            return []
        context = script._get_module_context().create_context(leaf)
        return list(infer_call_of_leaf(context, leaf))

    def members(self, script: Any, values: list[Any], line: int, column: int) -> list[Member]:
        """What can follow the dot before this place."""
        key = self._key(values)
        if key is not None and key in self._members:
            return self._members[key]
        found = [Member(completion) for completion in script.complete(line, column)]
        if key is not None and found:
            if len(self._members) >= _MEMBERS_MAX:
                self._members.pop(next(iter(self._members)))
            self._members[key] = found
        return found

    def untold(self) -> Iterable[Member]:
        """Members that are listed but not described yet."""
        for members in list(self._members.values()):
            yield from (member for member in members if not member.known)

    def _key(self, values: list[Any]) -> Any | None:
        keys = []
        for value in values[:20]:
            key = _guarded(lambda value=value: self._value_key(value))
            if key is None:
                return None
            keys.append(key)
        return tuple(sorted(keys)) if keys else None

    def _value_key(self, value: Any) -> tuple[str, ...] | None:
        """Names a value from an installed module; none for one whose members may change with the source."""
        if value.is_module():
            return ("module", *value.string_names) if self._installed(value) else None
        kind = "instance" if value.is_instance() else "class" if value.is_class() else ""
        if not kind:
            return None
        named = value.py__class__() if kind == "instance" else value
        root = named.get_root_context()
        if not self._installed(root.get_value()):
            return None
        qualified = named.get_qualified_names()
        return (kind, *(root.string_names or ()), *qualified) if qualified else None

    def _installed(self, module: Any) -> bool:
        if module.string_names and module.string_names[0] in ("__main__", Path(NOTEBOOK).stem):
            return False
        file = module.py__file__()
        return file is None or str(file).startswith(self._trusted)


def class_names(values: list[Any]) -> set[str]:
    """Names of the classes of values."""
    names = set()
    for value in values:
        name = _guarded(lambda value=value: value.py__class__().py__name__())
        if name:
            names.add(name)
    return names


def within(seconds: float) -> Any:
    """Tells whether time is left, from now."""
    end = perf_counter() + seconds
    return lambda: perf_counter() < end
