"""Asks the package index about one name. Standard library only, but for the order of versions.

PyPI tells name, version and summary in one answer of its own; every other index speaks the simple API, as JSON or as a
page of links, and tells versions only.
"""

import base64
import json
import os
import re
import ssl
from html.parser import HTMLParser
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

_PYPI = "https://pypi.org/simple"
_SIMPLE = "application/vnd.pypi.simple.v1+json, text/html;q=0.2"
_ANSWER_BYTES_MAX = 8 << 20
_SECONDS_MAX = 6


def find(name: str, proxy: str) -> dict[str, str] | None:
    """Gives what the index of pip's variables knows of a package; none when it has no such package."""
    index = (os.environ.get("PIP_INDEX_URL") or _PYPI).rstrip("/")
    trusted = os.environ.get("PIP_TRUSTED_HOST", "").split()
    opener = _opener(proxy, check=urlsplit(index).hostname not in trusted)
    if urlsplit(index).hostname == "pypi.org":
        answer = _get(opener, f"https://pypi.org/pypi/{name}/json", "application/json")
        return _described(json.loads(answer[0])["info"]) if answer else None
    answer = _get(opener, f"{index}/{name}/", _SIMPLE)
    if answer is None:
        return None
    body, kind = answer
    versions = json.loads(body).get("versions") if "json" in kind else None
    newest = _newest(versions if versions is not None else _versions_of_files(_files(body, kind), name))
    return {"name": name, "version": newest} if newest else None


def _opener(proxy: str, *, check: bool) -> OpenerDirector:
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    if not check:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return build_opener(ProxyHandler({"http": proxy, "https": proxy}), HTTPSHandler(context=context))


def _get(opener: OpenerDirector, url: str, accepted: str) -> tuple[bytes, str] | None:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = Request(urlunsplit(parts._replace(netloc=host)), headers={"Accept": accepted})  # noqa: S310 - by settings
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
    try:
        with opener.open(request, timeout=_SECONDS_MAX) as answer:
            body = answer.read(_ANSWER_BYTES_MAX + 1)
            if len(body) > _ANSWER_BYTES_MAX:
                raise ValueError("the answer is too large")
            return body, answer.headers.get("Content-Type", "")
    except HTTPError as error:
        if error.code in (404, 410):
            return None
        raise


def _described(info: dict[str, Any]) -> dict[str, str]:
    found = {"name": str(info["name"])[:200], "version": str(info["version"])[:100]}
    if summary := info.get("summary"):
        found["summary"] = " ".join(str(summary).split())[:500]
    links = [info.get("home_page"), *(info.get("project_urls") or {}).values(), info.get("package_url")]
    if link := next((link for link in links if str(link).startswith(("https://", "http://"))), None):
        found["homepage"] = str(link)[:500]
    return found


class _Links(HTMLParser):
    """The texts of links: names of files."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "a"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts.append(data.strip())


def _files(body: bytes, kind: str) -> list[str]:
    if "json" in kind:
        return [str(file.get("filename", "")) for file in json.loads(body).get("files", [])]
    links = _Links()
    links.feed(body.decode(errors="replace"))
    return links.texts


def _versions_of_files(files: list[str], name: str) -> list[str]:
    start = re.compile(
        re.escape(name).replace(r"\-", "[-_.]+") + r"-([^-]+?)(?:-.*\.whl|\.tar\.gz|\.zip)$", re.IGNORECASE
    )
    return [found.group(1) for file in files if (found := start.match(file))]


def _newest(versions: list[str]) -> str | None:
    from pip._vendor.packaging.version import InvalidVersion, Version

    known = []
    for version in versions[:5000]:
        try:
            known.append(Version(str(version)))
        except InvalidVersion:
            continue
    released = [version for version in known if not version.is_prerelease] or known
    return str(max(released)) if released else None
