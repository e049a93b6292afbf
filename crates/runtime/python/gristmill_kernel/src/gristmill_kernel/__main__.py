"""Starts the kernel: ipykernel with the helpers in its namespace before the first request."""

import sys
from typing import TYPE_CHECKING, cast

from .requests import register
from .startup import install, prepare

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def main(arguments: list[str]) -> None:
    """Runs a kernel until it is told to shut down."""
    prepare()
    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    # What was typed is kept by the notebook; a second history in the sandbox is only a file to wait for.
    app = IPKernelApp.instance(config=Config({"HistoryManager": {"enabled": False}}))
    app.initialize(arguments)
    shell = cast("InteractiveShell", app.shell)
    names = install(shell.user_ns)
    shell.user_ns_hidden.update(names)
    register(app.kernel)
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
