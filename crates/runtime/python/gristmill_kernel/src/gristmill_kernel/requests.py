"""What the server asks a kernel beside the Jupyter protocol: request types of its own on the shell channel.

They run on the main thread, between cells, and touch nothing that cells see.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from .live import variables
from .places import Places

#: Is in the empty directories that a sandbox shows while it belongs to nobody.
WAITING = ".waiting"

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def register(kernel: Any, places: Places | None = None) -> None:  # noqa: ANN401 - ipykernel's
    """Lets a kernel answer the server's requests."""
    places = places or Places()
    answers: dict[str, Answer] = {
        "gristmill_modules": lambda _content: modules(),
        "gristmill_adopt": lambda _content: adopt(places),
        "gristmill_variables": lambda _content: {
            # IPython's own and the helpers are nobody's variables.
            "variables": variables(kernel.shell.user_ns, set(kernel.shell.user_ns_hidden))
        },
    }
    for name, answer in answers.items():
        kernel.shell_handlers[f"{name}_request"] = _handler(kernel, f"{name}_reply", answer)


def modules() -> dict[str, Any]:
    """Tells the top names of what is imported: another version of one of them would come too late."""
    return {"modules": sorted({name.partition(".")[0] for name in list(sys.modules)})}


def adopt(places: Places) -> dict[str, Any]:
    """Makes a kernel that waited for nobody in particular one of the project that its sandbox shows now."""
    if any((place / WAITING).exists() for place in (places.workspace, places.datasets, places.packages.parent)):
        return {"status": "error", "reason": "the sandbox does not show the project's files"}
    # The same path, but another directory than the one that the kernel was started in.
    os.chdir(places.workspace)
    importlib.invalidate_caches()
    return {"status": "ok"}


def _handler(kernel: Any, reply: str, answer: Answer) -> Callable[..., None]:  # noqa: ANN401
    def handle(stream: Any, ident: Any, parent: dict[str, Any]) -> None:  # noqa: ANN401
        try:
            content = answer(parent.get("content") or {})
        except Exception as error:
            content = {"status": "error", "reason": f"{type(error).__name__}: {error}"[:500]}
        kernel.session.send(stream, reply, content, parent, ident)

    return handle
