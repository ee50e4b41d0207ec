# SPDX-License-Identifier: BSD-3-Clause
"""Runs inside the phone's guest and does what the lab asks: shell scripts, and calls of the UEs that live here.

One connection is one request: a line of JSON, answered by a line of JSON.
    {"shell": "ip xfrm state"}                          {"output": "...", "status": 0}
    {"ue": 1, "make": {...}}                            {"result": null}
    {"ue": 1, "call": "register", "arguments": {...}}   {"result": ...} or {"error": "..."}
"""
import json
import socketserver
import subprocess
import sys
import traceback

from .ue import Ue

SHELL_WAIT_S = 300
UES = {}


def do(request):
    if "shell" in request:
        done = subprocess.run(["sh", "-c", request["shell"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=SHELL_WAIT_S)
        return {"output": done.stdout, "status": done.returncode}
    name = request["ue"]
    if "make" in request:
        if name in UES:
            UES.pop(name).close()
        UES[name] = Ue(**request["make"])
        return {"result": None}
    return {"result": getattr(UES[name], request["call"])(**request.get("arguments", {}))}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            answer = do(json.loads(self.rfile.readline()))
        except Exception as error:  # whatever it is, the lab must hear of it
            answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Handler) as server:
        print("GUEST-READY", flush=True)
        server.serve_forever()
