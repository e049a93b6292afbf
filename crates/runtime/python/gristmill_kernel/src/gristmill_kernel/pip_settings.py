"""Tells how this machine's pip reaches its index. Run by the server on the host, as a file, never in a sandbox."""

import json
import os
import subprocess
import sys


def _value(text: str) -> str:
    return text.strip().strip("'\"")


def settings() -> dict[str, str]:
    """Gives pip's settings, the environment's before the files'."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found: dict[str, str] = {}
    # pip prints its files' values first or last, by version: what the environment says is put on top here.
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        name, separator, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if separator and section in ("global", "install", ":env:"):
            found[key] = _value(value)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        if os.environ.get(name):
            found.setdefault(f"env.{name.lower()}", os.environ[name])
    return found


if __name__ == "__main__":
    print(json.dumps(settings()))
