"""`serve SOCKET [CACHE]` answers questions; `prepare CACHE` fills the cache of parsed modules."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from .engine import Engine
from .inference import Inference
from .server import Worker

# Where a kernel finds modules beside the locked environment.
_PATHS = ["/opt/gristmill/packages/current", "/workspace"]


def main(arguments: list[str]) -> int:
    """Runs one of the two, and tells how it ended."""
    if len(arguments) == 2 and arguments[0] == "prepare":
        # Nobody waits for it.
        os.nice(10)
        Engine(Inference(paths=[], cache=arguments[1], cache_writable=True)).prepare()
        return 0
    if len(arguments) in (2, 3) and arguments[0] == "serve":
        cache = arguments[2] if len(arguments) == 3 and Path(arguments[2]).is_dir() else None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(arguments[1])
        Worker(Engine(Inference(paths=_PATHS, cache=cache))).serve(connection)
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
