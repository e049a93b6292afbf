"""`python -m gristmill_ml <command> --in DIR --out DIR`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

from gristmill_ml.errors import EXIT_INTERNAL, EXIT_OUT_OF_BUDGET, MlError
from gristmill_ml.progress import Progress, claim_stdout, error_event
from gristmill_ml.spec import read_limits, read_spec

# Each command's module is imported when it is run, because some take seconds to import what they need.
COMMANDS = {
    "train": ("gristmill_ml.train", "run"),
    "calibrate": ("gristmill_ml.interval", "run"),
    "diagnose": ("gristmill_ml.train", "diagnose_run"),
    "adopt": ("gristmill_ml.adopt", "run"),
    "predict": ("gristmill_ml.predict", "run"),
    "serve": ("gristmill_ml.serve", "run"),
    "score": ("gristmill_ml.score", "run"),
    "tune": ("gristmill_ml.tune", "run"),
    "compare": ("gristmill_ml.compare", "run"),
    "package": ("gristmill_ml.package", "run"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="gristmill_ml", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--in", dest="directory", type=Path, required=True, help="inputs, with spec.json")
    parser.add_argument("--out", type=Path, required=True, help="where results are written")
    parser.add_argument("--wait", action="store_true", help="import first, then wait until spec.json is there")
    parsed = parser.parse_args(arguments)
    # A sandbox has no home; without places of their own, matplotlib warns and numba compiles anew for each process.
    for variable in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
        os.environ.setdefault(variable, str(Path(tempfile.gettempdir()) / "gristmill_ml" / variable.lower()))
    progress = Progress(claim_stdout(), parsed.directory / "cancel")
    progress.watch()
    try:
        return _run(parsed.command, parsed.directory, parsed.out, progress, parsed.wait)
    finally:
        progress.finish()


def _run(command: str, directory: Path, out: Path, progress: Progress, waits: bool) -> int:
    module, function = COMMANDS[command]
    try:
        if waits:
            from gristmill_ml import ready

            ready.prepare(command, module, function, directory)
            ready.wait(directory, progress)
        spec = read_spec(directory)
        limits = read_limits(spec)
        out.mkdir(parents=True, exist_ok=True)
        runner = getattr(importlib.import_module(module), function)
        import threadpoolctl

        threadpoolctl.threadpool_limits(limits.cpus)
        progress.emit(runner(spec, directory, out, progress))
        return 0
    except MlError as error:
        progress.emit(error_event(error))
        return error.exit_code
    except MemoryError:
        message = "there was not enough memory; take fewer rows or columns, or give more memory"
        progress.emit(error_event(MlError("out_of_memory", message, "limits.memoryMb")))
        return EXIT_OUT_OF_BUDGET
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        progress.emit(error_event(MlError("internal", f"{type(error).__name__}: {error}"[:500])))
        return EXIT_INTERNAL


def _end(code: int) -> None:
    """Ends the process without what Python and the libraries do at their leisure: all results are written."""
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main())
