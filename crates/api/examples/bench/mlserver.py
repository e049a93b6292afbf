"""Serves a model's pipeline with MLServer: `mlserver.py DIRECTORY PORT`, where the directory has model.joblib."""

import json
import sys
from pathlib import Path


def settings(place: Path, port: int) -> None:
    """Writes what MLServer reads: its own ports, and the model."""
    server = {"debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    model = {
        "name": "bench",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "content_type": "pd"},
    }
    (place / "settings.json").write_text(json.dumps(server))
    (place / "model-settings.json").write_text(json.dumps(model))


# Its workers import this file again.
if __name__ == "__main__":
    from mlserver.cli.main import main

    settings(Path(sys.argv[1]), int(sys.argv[2]))
    sys.argv = ["mlserver", "start", sys.argv[1]]
    main()
