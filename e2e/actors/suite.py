"""The official conformance suite for clients: it starts a server for each of its scenarios, all at once, and a client for each server. The
clients it starts only say where their server is, and wait (`mcp/at_desk.py`); what is done there the test does, with Doorward.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

from .mcp import HERE, Node

WAIT_SECONDS = 180
# in /proc/net/tcp
LISTENING = "0A"


@dataclasses.dataclass
class Job:
    """A server that waits for its client."""

    scenario: str
    revision: str
    context: dict
    url: str
    _line: socket.socket

    def done(self, status: int, log: str) -> None:
        """Lets the client end; then the suite judges."""
        with self._line:
            self._line.sendall(json.dumps({"status": status, "log": log}).encode() + b"\n")


class ClientSuite:
    """One run, for one revision of the specification: everything that it requires of clients, and what it only reports."""

    def __init__(self, node: Node, revision: str, folder: pathlib.Path, **environment: str):
        self._node, self.revision, self._folder = node, revision, folder
        self._environment = environment
        folder.mkdir(parents=True)

    def __enter__(self) -> "ClientSuite":
        self._desk = socket.socket(socket.AF_UNIX)
        place = str(self._folder / "desk")
        self._desk.bind(place)
        self._desk.listen(128)
        self._desk.settimeout(WAIT_SECONDS)
        suite = self._node.modules / "@modelcontextprotocol/conformance/dist/index.js"
        # it starts clients by a shell, with the server's address behind
        client = f"{sys.executable} -SE {HERE / 'at_desk.py'}"
        bounds = ["--timeout", str(WAIT_SECONDS * 1_000), "-o", self._folder / "results"]
        self._process = subprocess.Popen(
            [self._node.program, suite, "client", "--command", client, "--requirements", self.revision, *bounds],
            env=self._node.environment(DESK=place, **self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._desk.close()

    def jobs(self) -> list[Job]:
        """All servers, once the last one waits."""
        said = self._process.stdout.readline()
        many = re.search(r"\((\d+) scenarios\)", said)
        assert many, f"the suite did not start: {said}"
        return [self._one() for _ in range(int(many[1]))]

    def origins(self) -> set[str]:
        """Where its servers listen, and the authorization servers that they name: read off the system, because whoever asked one of them
        would be taken for the client.
        """
        process = pathlib.Path("/proc") / str(self._process.pid)
        sockets = {os.readlink(file) for file in (process / "fd").iterdir()}
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in (process / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, *more = line.split()
                if state == LISTENING and f"socket:[{more[5]}]" in sockets:
                    ports.add(int(local.rsplit(":", 1)[1], 16))
        return {f"http://localhost:{port}" for port in ports}

    def _one(self) -> Job:
        line, _ = self._desk.accept()
        with line.makefile() as heard:
            return Job(**json.loads(heard.readline()), _line=line)

    def verdicts(self) -> dict[str, list[dict]]:
        """The checks of each scenario, once every client has ended."""
        late = threading.Timer(WAIT_SECONDS, self._process.kill)
        with contextlib.ExitStack() as stack:
            late.start()
            stack.callback(late.cancel)
            said = self._process.stdout.read()
        assert "=== SUITE SUMMARY ===" in said, said
        results, found = self._folder / "results", {}
        for file in results.rglob("checks.json"):
            scenario = re.sub(r"-\d{4}-\d\d-\d\dT[^/]*$", "", str(file.parent.relative_to(results)))
            found[scenario] = json.loads(file.read_text())
        return found
