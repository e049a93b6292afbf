import http.server
import json
import threading
from collections.abc import Generator

import pytest

from gristmill_kernel import lookup
from gristmill_kernel.lookup import find

PAGES = {
    "/simple/rare-thing/": (
        "text/html",
        "<a href='x'>rare_thing-1.9-py3-none-any.whl</a><a>rare.thing-1.10.tar.gz</a><a>rare_thing-2.0rc1.zip</a>"
        "<a>other-9.tar.gz</a><a>rare_thing-nonsense.tar.gz</a>",
    ),
    "/simple/modern/": ("application/vnd.pypi.simple.v1+json", json.dumps({"versions": ["0.9", "0.10"], "files": []})),
    "/simple/files/": (
        "application/vnd.pypi.simple.v1+json",
        json.dumps({"files": [{"filename": "files-1.0.tar.gz"}, {"filename": "files-1.1.tar.gz"}]}),
    ),
    "/simple/early/": ("text/html", "<a>early-1.0b1.tar.gz</a>"),
    "/simple/empty/": ("text/html", ""),
    "/simple/huge/": ("text/html", "x" * 5000),
    "/simple/broken/": ("application/vnd.pypi.simple.v1+json", "not json"),
}


SEEN: list[tuple[str, str | None]] = []


class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        # The whole URL: it is asked as a proxy.
        path = self.path.removeprefix("http://index.example")
        SEEN.append((path, self.headers.get("Authorization")))
        kind, body = PAGES.get(path, ("text/plain", ""))
        self.send_response(200 if path in PAGES else 500 if "fails" in path else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def proxy() -> Generator[str, None, None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(autouse=True)
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:p%40ss@index.example/simple/")
    monkeypatch.delenv("PIP_TRUSTED_HOST", raising=False)
    monkeypatch.delenv("PIP_CERT", raising=False)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("rare-thing", "1.10"),
        ("modern", "0.10"),
        ("files", "1.1"),
        ("early", "1.0b1"),
        ("empty", None),
        ("nowhere", None),
    ],
)
def test_finds_the_newest_release(proxy: str, name: str, version: str | None) -> None:
    assert find(name, proxy) == ({"name": name, "version": version} if version else None)


def test_sends_the_password_as_a_header(proxy: str) -> None:
    find("modern", proxy)
    assert SEEN[-1] == ("/simple/modern/", "Basic dXNlcjpwQHNz")


@pytest.mark.parametrize("name", ["fails", "broken"])
def test_an_index_that_fails_is_an_error(proxy: str, name: str) -> None:
    with pytest.raises(Exception):  # noqa: B017 - whatever it is, the server hears of it
        find(name, proxy)


def test_an_answer_without_end_is_not_read(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_ANSWER_BYTES_MAX", 1000)
    with pytest.raises(ValueError, match="too large"):
        find("huge", proxy)


def test_reads_what_pypi_tells() -> None:
    info = {
        "name": "Rare",
        "version": "1.0",
        "summary": "Two\n lines " + "x" * 1000,
        "home_page": "javascript:alert(1)",
        "project_urls": {"Docs": "https://docs.example"},
    }
    found = lookup._described(info)
    assert (found["name"], found["version"], found["homepage"]) == ("Rare", "1.0", "https://docs.example")
    assert found["summary"].startswith("Two lines x")
    assert len(found["summary"]) == 500
    assert "homepage" not in lookup._described({"name": "a", "version": "1", "project_urls": None})
