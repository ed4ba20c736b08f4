"""Servers and clients of the Model Context Protocol, each a process of its own on loopback: the server of the conformance run, the
suite itself, a door that adds a bearer, `server-everything` and the inspector.
"""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import threading
import urllib.request

HERE = pathlib.Path(__file__).parent.parent / "mcp"
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
RUN_SECONDS = 240
START_SECONDS = 60


@dataclasses.dataclass
class Checked:
    """What the conformance suite found, by scenario, check and its name: how often each passed, and why one did not. A warning is no pass."""

    passed: collections.Counter[tuple[str, str, str]] = dataclasses.field(default_factory=collections.Counter)
    failed: dict[tuple[str, str, str], str | None] = dataclasses.field(default_factory=dict)


class Node:
    """The pinned Node.js, newer than the distribution's, and what is installed beside it."""

    def __init__(self, packages: pathlib.Path):
        self.modules = packages / "node_modules"
        self.program = self.modules / f"node-linux-{ARCHITECTURES[platform.machine()]}" / "bin/node"

    def environment(self, **more: str) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.program.parent}:{os.environ['PATH']}"} | more

    @contextlib.contextmanager
    def listening(self, script: pathlib.Path, *arguments: str, says: str = r"listening on (\d+)", **environment: str):
        """Runs a server while the block lasts; gives the port that it says it listens on."""
        process = subprocess.Popen(
            [self.program, script, *arguments],
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield int(_said(process, says))
        finally:
            process.terminate()
            process.wait(timeout=20)

    def fixture(self):
        return self.listening(HERE / "fixture.mjs")

    def bearer(self, port: int, token: str):
        return self.listening(HERE / "bearer.mjs", str(port), BEARER=token)

    def everything(self, port: int, transport: str = "streamableHttp"):
        script = self.modules / "@modelcontextprotocol/server-everything/dist/index.js"
        return self.listening(script, transport, says=r"port (\d+)", PORT=str(port))

    def everything_as_a_program(self) -> tuple[list[str], str]:
        """The same server over its standard input and output: its command, and what `doorward.toml` says of it. Its hash is computed as
        docs/connectors.md says.
        """
        package = self.modules / "@modelcontextprotocol/server-everything"
        command = [str(self.program), str(package / "dist/index.js"), "stdio"]
        listed = "find -L . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
        pins = {self.program: _printed(["sha256sum", self.program]), package: _printed(["sh", "-c", listed], package)}
        pinned = ", ".join(f'"{path}" = "{hash_}"' for path, hash_ in pins.items())
        # Node.js reserves far more memory than it uses
        return command, f"""
[[connector_program]]
command = {json.dumps(command)}
pinned = {{ {pinned} }}
reads = ["{self.modules}"]
env = {{ EVERYTHING = "${{E2E_ADMIN_KEY}}" }}
memory_mib = 2048
"""

    def checked(self, url: str, revision: str, results: pathlib.Path) -> "Checked":
        """What the conformance suite finds of a server."""
        suite = self.modules / "@modelcontextprotocol/conformance/dist/index.js"
        done = subprocess.run(
            [self.program, suite, "server", "--url", url, "--requirements", revision, "-o", results],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        total = re.search(r"Total: .*", done.stdout)
        assert total, done.stdout + done.stderr
        print(f"conformance server --requirements {revision} at {url}: {total[0]}")
        checked = Checked()
        for file in results.glob("server-*/checks.json"):
            scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", file.parent.name)
            for check in json.loads(file.read_text()):
                one = (scenario, check["id"], check["name"])
                match check["status"]:
                    case "SUCCESS":
                        checked.passed[one] += 1
                    case "FAILURE" | "WARNING":
                        checked.failed[one] = check.get("errorMessage")
        return checked

    def inspect(self, url: str, token: str, *arguments: str) -> str:
        """What the inspector's command line prints."""
        program = self.modules / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
        header = f"Authorization: Bearer {token}"
        done = subprocess.run(
            [self.program, program, "--cli", url, "--transport", "http", "--header", header, *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def tool_called(url: str, token: str, name: str, arguments: dict | None = None) -> dict:
    """One call without a session, as the newest protocol allows it."""
    return asked(url, token, "tools/call", {"name": name, "arguments": arguments or {}})


def asked(url: str, token: str, method: str, params: dict) -> dict:
    """One request without a session."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": meta}}
    request = urllib.request.Request(url, json.dumps(message).encode())
    for header, value in {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        **({"Mcp-Name": params["name"]} if "name" in params else {}),
    }.items():
        request.add_header(header, value)
    with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
        return json.load(answer)


def _printed(command: list, folder: pathlib.Path | None = None) -> str:
    """The first word that a program prints."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()[0]


def _said(process: subprocess.Popen, pattern: str) -> str:
    """What a process says that looks so; the rest is read away, so that it never waits for us."""
    heard = []
    for line in process.stdout:
        heard.append(line)
        if found := re.search(pattern, line):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return found[1]
    raise AssertionError("it did not start:\n" + "".join(heard))
