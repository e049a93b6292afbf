"""A package index of the test's own: wheels made here, served on the loopback, with every fault that is wanted."""

import hashlib
import http.server
import io
import os
import socketserver
import sys
import threading
import time
import zipfile


def wheel(name, version, requires=(), files=None):
    files = dict(files or {f"{name}/__init__.py": f"__version__ = {version!r}\n"})
    info = f"{name}-{version}.dist-info"
    lines = [f"Requires-Dist: {r}" for r in requires]
    files[f"{info}/METADATA"] = "\n".join(
        ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: Made for a test.",
         "Project-URL: Homepage, https://example.org/" + name, *lines, ""])
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path, text in files.items():
            zipped.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", archive.getvalue()


FILES = {}
PAGES = {}


def offer(project, *made, wrong_hash=False, base=""):
    links = []
    for name, data in made:
        FILES[f"/files/{name}"] = data
        digest = "0" * 64 if wrong_hash else hashlib.sha256(data).hexdigest()
        links.append(f'<a href="{base}/files/{name}#sha256={digest}">{name}</a>')
    PAGES[f"/simple/{project}/"] = "<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[1], "a") as log:
            log.write(self.server.label + " " + self.path + "\n")
        if self.path == "/simple/slow/":
            time.sleep(3600)
        body = FILES.get(self.path) or PAGES.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/octet-stream" if self.path in FILES else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def serve(label):
    server = Server(("127.0.0.1", 0), Handler)
    server.label = label
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


index, other = serve("index"), serve("other")
offer("good", wheel("good", "1.0", files={"good/__init__.py": "__version__ = '1.0'\n", "good/old.py": ""}),
      wheel("good", "2.0"))
offer("needy", wheel("needy", "1.0", requires=["good", "numpy"]))
offer("corrupt", wheel("corrupt", "1.0"), wrong_hash=True)
offer("elsewhere", wheel("elsewhere", "1.0"), base=f"http://127.0.0.1:{other}")
offer("climbing", wheel("climbing", "1.0", files={"../../../outside.py": "x"}))
offer("source", ("source-1.0.tar.gz", b"not even an archive"))
print(index, flush=True)
sys.stdin.read()
os._exit(0)
