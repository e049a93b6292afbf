"""Installs packages in a sandbox of its own, and lists what is installed. Standard library only.

The sandbox has no network: a listener on its own loopback passes pip's connections to the server's proxy over a Unix
socket. What happens is told over another one, a JSON object a line:

``{"log": line, "phase": "resolve"|"install"}``, ``{"exit": code, "installed": ["name-version"], "phase": ...}``,
``{"packages": [...]}``.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

_PIECE = 64 * 1024


class Teller:
    """The connection over which the server hears."""

    def __init__(self, path: str) -> None:
        """Connects to the server's socket."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)

    def tell(self, **event: Any) -> None:  # noqa: ANN401 - any JSON
        """Sends an event."""
        self._socket.sendall(json.dumps(event).encode() + b"\n")


def serve_proxy(path: str) -> int:
    """Listens on the loopback and passes every connection to the Unix socket; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
    return listener.getsockname()[1]


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(path)
        except OSError:
            client.close()
            continue
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    # An end without ceremony is an end: the other side is told so.
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _pip(arguments: Iterable[str], teller: Teller, phase: str) -> int:
    command = [sys.executable, "-m", "pip", "install", "--progress-bar", "off", "--no-input", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
    ) as pip:
        for line in pip.stdout or ():
            if line.strip():
                teller.tell(log=line.rstrip()[:4000], phase=phase)
    return pip.returncode


def _wanted(report: Path) -> list[tuple[str, str, list[str]]]:
    """Gives what pip would install: name, version and hashes."""
    found = json.loads(report.read_text(encoding="utf-8"))
    wanted = []
    for item in found.get("install", []):
        hashes = item.get("download_info", {}).get("archive_info", {}).get("hashes", {})
        hashes = [f"{name}:{value}" for name, value in hashes.items() if name in ("sha256", "sha384", "sha512")]
        wanted.append((item["metadata"]["name"], item["metadata"]["version"], hashes))
    return wanted


def install(order: dict[str, Any]) -> None:
    """Installs into the target what is not installed yet, at the versions that fit what is."""
    teller = Teller(order["events"])
    common = ["--retries", "2", "--prefer-binary"]
    if order.get("proxy"):
        common += ["--proxy", f"http://127.0.0.1:{serve_proxy(order['proxy'])}"]
    if order["onlyBinary"]:
        common.append("--only-binary=:all:")
    common += order["options"]
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        resolved = ["--dry-run", "--report", str(report), *common, "--", *order["requirements"]]
        code = _pip(resolved, teller, "resolve")
        if code != 0:
            teller.tell(exit=code, installed=[], phase="resolve")
            return
        wanted = _wanted(report)
        if not wanted:
            teller.tell(exit=0, installed=[], phase="resolve")
            return
        # What was chosen is what is fetched: by version, and by hash where the index gives one.
        lines = [" ".join([f"{name}=={version}", *(f"--hash={h}" for h in hashes)]) for name, version, hashes in wanted]
        chosen = Path(work) / "chosen.txt"
        chosen.write_text("\n".join(lines) + "\n", encoding="utf-8")
        target = ["--no-deps", "--ignore-installed", "--target", order["target"]]
        code = _pip([*target, *common, "-r", str(chosen)], teller, "install")
    teller.tell(exit=code, installed=[f"{name}-{version}" for name, version, _ in wanted], phase="install")


def list_packages(order: dict[str, Any]) -> None:
    """Tells every distribution that a kernel sees, the installed layer first."""
    teller = Teller(order["events"])
    seen: dict[str, dict[str, str]] = {}
    for distribution in metadata.distributions():
        with contextlib.suppress(Exception):
            about = distribution.metadata
            name = about["Name"]
            key = name.lower().replace("_", "-").replace(".", "-")
            if key not in seen:
                seen[key] = _package(about, name, distribution.version)
    packages = list(seen.values())
    for start in range(0, len(packages), 50):
        teller.tell(packages=packages[start : start + 50])
    teller.tell(exit=0)


def _package(about: Any, name: str, version: str) -> dict[str, str]:  # noqa: ANN401 - two types over the versions
    package = {"name": name[:200], "version": version[:100]}
    if summary := about["Summary"]:
        package["summary"] = " ".join(summary.split())[:500]
    links = [about["Home-page"] or ""]
    for labelled in about.get_all("Project-URL") or ():
        label, _, link = labelled.partition(",")
        if label.strip().lower() in ("homepage", "home", "home page", "repository", "source", "documentation"):
            links.append(link.strip())
    if link := next((link for link in links if link.startswith(("https://", "http://"))), None):
        package["homepage"] = link[:500]
    return package


def look_up(order: dict[str, Any]) -> None:
    """Tells the package of one name, or none; ends with an error when the index does not answer."""
    from .lookup import find

    teller = Teller(order["events"])
    try:
        found = find(order["name"], f"http://127.0.0.1:{serve_proxy(order['proxy'])}")
    except Exception as error:
        teller.tell(log=f"{type(error).__name__}: {error}"[:1000])
        teller.tell(exit=1)
        return
    teller.tell(packages=[found] if found else [])
    teller.tell(exit=0)


def main(arguments: list[str]) -> None:
    """Does what the order on the command line says."""
    order = json.loads(arguments[0])
    os.umask(0o022)
    {"install": install, "list": list_packages, "lookUp": look_up}[order["do"]](order)


if __name__ == "__main__":
    main(sys.argv[1:])
