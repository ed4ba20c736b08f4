"""What the conformance suite starts as the client that it looks at. It tells the test which server there is now, by the socket that DESK
names, waits until Doorward has done everything there, and ends with the status that it is told.
"""

import json
import os
import socket
import sys

job = {
    "scenario": os.environ["MCP_CONFORMANCE_SCENARIO"],
    "revision": os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"],
    "context": json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")),
    "url": sys.argv[-1],
}
with socket.socket(socket.AF_UNIX) as desk:
    desk.connect(os.environ["DESK"])
    desk.sendall(json.dumps(job).encode() + b"\n")
    said = json.loads(desk.makefile().readline())
print(said["log"])
sys.exit(said["status"])
