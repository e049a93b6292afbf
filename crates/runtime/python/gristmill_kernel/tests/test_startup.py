import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gristmill_kernel.places import Places
from gristmill_kernel.startup import prepare

SOURCE = str(Path(__file__).parents[1] / "src")


def test_prepares_path_and_directory(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/std/lib/python3", "/env/site-packages"])
    monkeypatch.setenv("PLOTLY_RENDERER", "svg")
    here = Path.cwd()
    try:
        prepare(places)
        assert Path.cwd() == places.workspace
    finally:
        os.chdir(here)
    assert sys.path == ["", "/std/lib/python3", str(places.packages), "/env/site-packages"]
    assert os.environ["PLOTLY_RENDERER"] == "svg"


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import gristmill_kernel as g; g.prepare(); g.install({});"
        "print(time.perf_counter() - t, *[m for m in ('pandas', 'numpy', 'IPython', 'matplotlib') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=True
    ).stdout.split()
    assert printed[1:] == []


def test_a_kernel_has_the_helpers_and_draws(tmp_path: Path) -> None:
    """The real kernel, asked over its own protocol."""
    from jupyter_client.blocking.client import BlockingKernelClient

    connection = tmp_path / "connection.json"
    environment = {**os.environ, "PYTHONPATH": SOURCE, "HOME": str(tmp_path)}
    kernel = subprocess.Popen([sys.executable, "-m", "gristmill_kernel", "-f", str(connection)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (connection.exists() and connection.read_text().endswith("}")):
            assert time.monotonic() < deadline and kernel.poll() is None
            time.sleep(0.02)
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        kinds: list[str] = []

        def seen(message: dict) -> None:
            content = message["content"]
            kinds.extend(content.get("data", ()))
            if message["msg_type"] == "error":
                kinds.append(content["evalue"])

        code = (
            "import matplotlib.pyplot as plt, plotly.graph_objects as go, pandas as pd\n"
            "plt.plot([1, 2]); plt.show()\n"
            "go.Figure(go.Scatter(y=[1, 2])).show()\n"
            "_display_df(pd.DataFrame({'a': [1]}))\n"
            "assert not [n for n in get_ipython().run_line_magic('who_ls', '') if 'project' in n]\n"
        )
        reply = client.execute_interactive(code, output_hook=seen, timeout=60)
        assert reply["content"]["status"] == "ok", kinds
        assert "image/png" in kinds
        assert "application/vnd.plotly.v1+json" in kinds
        assert "text/html" in kinds
        kinds.clear()
        client.execute_interactive("go.Figure(go.Scatter(y=[1, 2]))", output_hook=seen, timeout=60)
        assert "application/vnd.plotly.v1+json" in kinds
        assert "text/html" not in kinds
    finally:
        kernel.kill()
        kernel.wait()
