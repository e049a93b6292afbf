"""`serve SOCKET MODEL` answers over a socket; `lines MODEL` over standard input and output."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from .server import Model, serve


def main(arguments: list[str]) -> int:
    """Runs one of the two, and tells how it ended."""
    if len(arguments) == 3 and arguments[0] == "serve":
        model = Model(Path(arguments[2]))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(arguments[1])
            serve(model, connection.makefile("rb"), connection.sendall)
        return 0
    if len(arguments) == 2 and arguments[0] == "lines":
        serve(Model(Path(arguments[1])), sys.stdin.buffer, _print)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
