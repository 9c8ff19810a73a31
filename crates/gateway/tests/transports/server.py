"""An MCP server on standard input and output, of either era, that does what its arguments say."""

import json
import os
import signal
import subprocess
import sys

ARGS = set(sys.argv[1:])
MODERN = "modern" in ARGS
REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
TOOLS = ["echo", "pid", "env", "crash", "slow", "ask", "log", "flood", "child", "progress"]


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(request, result):
    if MODERN:
        result.setdefault("resultType", "complete")
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def refuse(request, code, message):
    say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}})


def text(request, words):
    answer(request, {"content": [{"type": "text", "text": words}]})


def call(request):
    params = request["params"]
    name, arguments = params["name"], params.get("arguments") or {}
    if name == "echo":
        text(request, json.dumps(arguments))
    elif name == "pid":
        text(request, str(os.getpid()))
    elif name == "env":
        text(request, json.dumps(dict(os.environ)))
    elif name == "crash":
        os._exit(3)
    elif name == "flood":
        sys.stdout.write("x" * (17 * 1024 * 1024) + "\n")
        sys.stdout.flush()
    elif name == "child":
        text(request, str(subprocess.Popen(["sleep", "1000"]).pid))
    elif name == "log":
        sys.stderr.write("a word for the operator, and %s\n" % os.environ.get("SECRET", "none"))
        sys.stderr.flush()
        text(request, "logged")
    elif name == "progress":
        token = params["_meta"]["progressToken"]
        for step in (1, 2):
            say({"jsonrpc": "2.0", "method": "notifications/progress",
                 "params": {"progressToken": token, "progress": step}})
        text(request, "done")
    elif name == "ask":
        say({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create",
             "params": {"message": "who?", "requestedSchema": {"type": "object", "properties": {}}}})
        asked.append(request)
    elif name == "slow":
        held.append(request)
    else:
        refuse(request, -32602, "no such tool")


asked, held = [], []
if "deaf" in ARGS:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "dies-at-once" in ARGS:
    sys.stderr.write("nothing works here\n")
    sys.exit(1)
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method is None:
        if asked:
            text(asked.pop(), json.dumps(message.get("result", message.get("error"))))
    elif method == "notifications/cancelled":
        for request in held:
            if request["id"] == message["params"]["requestId"] and "trace" in os.environ:
                open(os.environ["trace"], "a").write("cancelled\n")
    elif "id" not in message:
        pass
    elif method == "server/discover":
        if MODERN:
            answer(message, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                             "ttlMs": 0, "cacheScope": "private"})
        elif "dies-of-questions" in ARGS:
            os._exit(7)
        else:
            refuse(message, -32601, "Method not found")
    elif method == "initialize" and not MODERN:
        wanted = message["params"]["protocolVersion"]
        revision = "2024-11-05" if "oldest" in ARGS else wanted if wanted in REVISIONS else REVISIONS[-1]
        answer(message, {"protocolVersion": revision, "capabilities": {"tools": {"listChanged": True}},
                         "serverInfo": {"name": "program", "version": "1"},
                         "instructions": json.dumps(message["params"]["capabilities"])})
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
        if MODERN:
            result.update(ttlMs=0, cacheScope="private")
        answer(message, result)
    elif method == "tools/call":
        call(message)
    elif method == "ping":
        answer(message, {})
    else:
        refuse(message, -32601, "Method not found")
while "deaf" in ARGS:
    signal.pause()
