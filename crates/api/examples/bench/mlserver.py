"""Serves a model's pipeline with MLServer: `mlserver.py DIRECTORY PORT`, where the directory has model.joblib."""

import json
import sys
from pathlib import Path

from mlserver.cli.main import main

place, port = Path(sys.argv[1]), int(sys.argv[2])
(place / "settings.json").write_text(
    json.dumps({"debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1, "metrics_port": port + 2})
)
(place / "model-settings.json").write_text(
    json.dumps(
        {
            "name": "bench",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib", "content_type": "pd"},
        }
    )
)
sys.argv = ["mlserver", "start", str(place)]
main()
