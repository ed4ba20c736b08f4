"""A server of the Model Context Protocol that is spoken to over its standard input and output, with tools that say what it can see, and
some that do what no server should.
"""

import json
import os
import socket
import sys
import threading

NONCE = os.urandom(8).hex()
lock = threading.Lock()
answered = threading.Condition()
answers = {}
cancelled = set()
pair = []
done = []


def say(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        sys.stdout.flush()


def raw(text):
    with lock:
        sys.stdout.write(text)
        sys.stdout.flush()


def tried(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__


def get_pair(arguments, _):
    """Answers two calls at once, the later one first."""
    with answered:
        pair.append(arguments["whose"])
        answered.notify_all()
        answered.wait_for(lambda: len(pair) >= 2)
        if pair[0] == arguments["whose"]:
            answered.wait_for(lambda: len(pair) >= 3)
        pair.append(None)
        answered.notify_all()
    return arguments["whose"]


def get_progress(_, token):
    for step in range(3):
        say({"method": "notifications/progress", "params": {"progressToken": token, "progress": step}})
        say({"method": "notifications/message", "params": {"level": "info", "data": "somebody's content"}})
    return "done"


def get_question(*_):
    say({"id": "q", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}})
    with answered:
        answered.wait_for(lambda: "q" in answers)
    return answers["q"]["error"]["code"]


def get_flood(*_):
    while True:
        say({"method": "notifications/message", "params": {"level": "info", "data": "x"}})


def get_key(*_):
    return os.environ.get("OWN_KEY", "none")


def remove_one(*_):
    done.append(1)
    return "removed"


def get_crash(*_):
    os._exit(3)


def get_seen(arguments, _):
    """What it can reach of the machine."""
    path, port = arguments["path"], arguments["port"]
    return {
        "env": dict(os.environ),
        "arguments": sys.argv[1:],
        "uid": os.getuid(),
        "root": sorted(os.listdir("/")),
        "file": tried(lambda: open(path).read()),
        "own": tried(lambda: open(__file__).readline()[:3]),
        "changes_own": tried(lambda: open(__file__, "a")),
        "writes": tried(lambda: open("/written", "w")),
        "scratch": tried(lambda: open("/tmp/x", "w").write("x")),
        "fills": tried(lambda: open("/tmp/y", "wb").write(b"x" * (65 << 20))),
        "memory": tried(lambda: len(bytearray(600 << 20))),
        "network": tried(lambda: socket.create_connection(("127.0.0.1", port), 5)),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapBnd"))],
    }


TOOLS = {
    "get_nonce": lambda *_: NONCE,
    "get_pair": get_pair,
    "get_progress": get_progress,
    "get_question": get_question,
    "get_seen": get_seen,
    "get_crash": get_crash,
    "get_key": get_key,
    "get_garbage": lambda *_: raw("this is no message\n"),
    "get_long": lambda *_: raw("x" * (9 << 20)),
    "get_flood": get_flood,
    "get_nothing": lambda *_: threading.Event().wait(),
    "get_cancelled": lambda *_: len(cancelled),
    "get_count": lambda *_: len(done),
    "remove_one": remove_one,
    "delete_all": lambda *_: "deleted",
}


def called(message):
    params = message["params"]
    token = params.get("_meta", {}).get("progressToken")
    result = TOOLS[params["name"]](params.get("arguments", {}), token)
    if result is not None:
        text = result if isinstance(result, str) else json.dumps(result)
        say({"id": message["id"], "result": {"content": [{"type": "text", "text": text}]}})


def heard(message):
    method, params = message.get("method"), message.get("params", {})
    if method is None:
        with answered:
            answers[message["id"]] = message
            answered.notify_all()
    elif method == "initialize":
        capabilities = {"tools": {}, "futureThing": {"x": 1}}
        server = {"name": "program", "version": "1"}
        say({"id": message["id"], "result": {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": server}})
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}, "vendorField": {"b": 1, "a": [1.0]}} for name in TOOLS]
        say({"id": message["id"], "result": {"tools": tools}})
    elif method == "tools/call":
        threading.Thread(target=called, args=[message], daemon=True).start()
    elif method == "notifications/cancelled":
        cancelled.add(params["requestId"])
    elif "id" in message:
        say({"id": message["id"], "error": {"code": -32601, "message": "unknown"}})


print("stderr-canary " * 10_000, file=sys.stderr)
for line in sys.stdin:
    heard(json.loads(line))
