"""Source that stands before the cells: the names that a kernel has from its start, and those it holds now."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from .frames import Frame

HIDDEN = "_gristmill_"
_VARIABLES_MAX = 500
_TYPE = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\Z", re.ASCII)

HELPERS = '''
from typing import Any as _gristmill_any
from pandas import DataFrame as _gristmill_frame

def resolve_dataset_path(filename: str, dataset_id: str | None = None) -> str:
    """The path of one of the project's datasets in this workspace."""
    return ""
def load_preprocessing_dataset(
    filename: str, dataset_id: str, file_type: str, df_name: str, *, from_original: bool = False
) -> _gristmill_frame:
    """Loads a dataset into the global `df_name`, from its processed copy where there is one."""
def save_preprocessing_dataset(filename: str, dataset_id: str, file_type: str, df_name: str) -> str:
    """Writes the table `df_name` as the processed copy of a dataset."""
    return ""
def save_to_project(df: _gristmill_frame, name: str) -> None:
    """Adds a table to the project as a new dataset."""
def display(*objs: _gristmill_any, **kwargs: _gristmill_any) -> None:
    """Shows objects below the cell."""
def get_ipython() -> _gristmill_any:
    """The shell that runs this notebook."""
'''.strip()


@dataclass(frozen=True)
class Variable:
    """What a kernel holds under a name: the full name of its type, and columns when it is a table."""

    type: str
    columns: tuple[str, ...] | None = None


def prelude(variables: dict[str, Variable], loaded: dict[str, Frame]) -> str:
    """The source, ending with a line break. `loaded` are tables that appear without an assignment."""
    lines = [HELPERS]
    for number, (name, variable) in enumerate(list(variables.items())[:_VARIABLES_MAX]):
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        module, _, kind = variable.type.rpartition(".")
        if (
            not _TYPE.match(variable.type)
            or any(keyword.iskeyword(part) for part in variable.type.split("."))
            or variable.type in ("module", "builtins.module", "function", "builtins.function", "type", "builtins.type")
        ):
            lines.append(f"{name} = ...")
        elif module in ("", "builtins"):
            lines.append(f"{name}: {kind}")
        elif module != "__main__":
            lines.append(f"from {module} import {kind} as {HIDDEN}{number}\n{name}: {HIDDEN}{number}")
        else:
            lines.append(f"{name} = ...")
    lines.extend(f"{name}: {HIDDEN}frame" for name in loaded if name.isidentifier() and not keyword.iskeyword(name))
    return "\n".join(lines) + "\n"
