"""Prepares a process for the user's code. Nothing heavy is imported here: every kernel waits for it."""

import os
import sys
from collections.abc import MutableMapping
from typing import Any

from .places import Places


def prepare(places: Places | None = None) -> None:
    """Sets the working directory, the module path and what plotting libraries read when they are imported."""
    places = places or Places()
    for name, value in (
        # Figures leave as data that the browser draws; every other renderer sends megabytes of JavaScript.
        ("PLOTLY_RENDERER", "plotly_mimetype"),
        ("MPLCONFIGDIR", "/tmp/matplotlib"),  # noqa: S108 - the sandbox's own
        ("IPYTHONDIR", "/tmp/ipython"),  # noqa: S108
    ):
        os.environ.setdefault(name, value)
    packages = str(places.packages)
    if packages not in sys.path:
        # After the standard library and the workspace, before the locked packages: a chosen version wins.
        at = next((i for i, path in enumerate(sys.path) if path.endswith("site-packages")), len(sys.path))
        sys.path.insert(at, packages)
    if places.workspace.is_dir():
        os.chdir(places.workspace)


def install(namespace: MutableMapping[str, Any], places: Places | None = None) -> dict[str, Any]:
    """Puts the helpers into a namespace, and tells what was put there."""
    from .datasets import Helpers

    helpers = Helpers(namespace, places or Places())
    names: dict[str, Any] = {
        "resolve_dataset_path": helpers.resolve_dataset_path,
        "load_preprocessing_dataset": helpers.load_preprocessing_dataset,
        "save_preprocessing_dataset": helpers.save_preprocessing_dataset,
        "save_to_project": helpers.save_to_project,
        "_display_df": helpers._display_df,
    }
    namespace.update(names)
    return names
