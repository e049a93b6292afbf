"""Stands in for `gristmill_ml`: a model that does to the server whatever a row tells it to."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


def answer(line, connection):
    request = json.loads(line)
    number, rows = request["id"], request["rows"]
    results = []
    for row in rows:
        do = row.get("do")
        if do == "die":
            print("about to die", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        elif do == "leave":
            sys.exit("left without a word")
        elif do == "hang":
            time.sleep(10_000)
        elif do == "flood":
            while True:
                connection.sendall(b"x" * 65536)
        elif do == "nonsense":
            return b"{]\n"
        elif do == "twice":
            return b'{"id":%d,"result":[{"prediction":1}]}\n{"id":%d,"result":[{"prediction":2}]}\n' % (number, number + 1)
        elif do == "short":
            return b'{"id":%d,"result":[]}\n' % number
        elif do == "eat":
            block = []
            while True:
                block.append(bytearray(os.urandom(1 << 20)))
        elif do == "refuse":
            error = {"code": "column_type", "message": "column 'do' must hold numbers", "field": "columns.do"}
            return json.dumps({"id": number, "error": error}).encode() + b"\n"
        elif do == "look":
            seen = {path: os.access(path, os.W_OK) for path in ("/in", "/model", "/run/gristmill", "/opt/gristmill/ml")}
            seen["files"] = sorted(os.listdir("/model"))
            results.append({"prediction": json.dumps(seen)})
            continue
        results.append({"prediction": f"{row.get('say')} of {len(rows)} by {START}"})
    if request["op"] == "health":
        return b'{"id":%d,"result":{"ready":true}}\n' % number
    return json.dumps({"id": number, "result": results}).encode() + b"\n"


def main():
    order = json.loads(Path("/in/spec.json").read_text())
    manner = json.loads(Path("/model/manner.json").read_text())
    if manner == "broken":
        print(json.dumps({"type": "error", "code": "artifact_broken", "message": "model.joblib does not load"}))
        sys.exit(2)
    if manner == "silent":
        time.sleep(10_000)
    print("I am loaded", flush=True)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(order["connect"])
        connection.sendall(b'{"ready": true}\n')
        stream = connection.makefile("rb")
        if manner == "chatty":
            connection.sendall(b"unasked\n")
        for line in stream:
            connection.sendall(answer(line, connection))
            if manner == "fragile":
                print("one is enough", flush=True)
                sys.exit(3)


START = time.monotonic_ns()
if __name__ == "__main__":
    main()
