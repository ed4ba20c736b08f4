"""Sign-in of MCP clients at the real `doorward serve`: the official conformance suite for authorization servers.

The suite asks for what is to be opened in a browser; our mini browser opens it as the person would.
"""

import json
import subprocess
import threading

import pytest

from actors import plain_http
from actors.browser import Browser
from actors.claude_code import onward
from actors.doorward import free_port
from actors.mcp import Node

SUITE_SECONDS = 120


@pytest.fixture(scope="session")
def suite(node_packages):
    """The command line of the suite, by the Node that it needs."""
    node = Node(node_packages)
    return [node.program, node.modules / "@modelcontextprotocol/conformance/dist/index.js"]


def registered(base: str, redirect: str) -> str:
    document = {"client_name": "Conformance suite", "redirect_uris": [redirect], "token_endpoint_auth_method": "none"}
    answer = plain_http.send(base, "POST", "/oauth/register", document=document)
    assert answer.status == 201, answer
    return answer.json["client_id"]


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_conformance_suite_for_authorization_servers_finds_no_fault(doorward, suite, revision, tmp_path):
    port = free_port()
    client = registered(doorward.base, f"http://127.0.0.1:{port}/callback")
    known = ["--url", doorward.base, "--client-id", client, "--resource", f"{doorward.base}/mcp", "--port", str(port)]
    command = [*suite, "authorization", *known, "--spec-version", revision, "--output-dir", tmp_path]
    run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, address = [], None
    late = threading.Timer(SUITE_SECONDS, run.kill)
    late.start()
    try:
        for line in run.stdout:
            said.append(line)
            if line.startswith(f"{doorward.base}/oauth/authorize"):
                address = line.strip()
            # it says where to go before it listens for the answer
            if address and line.startswith("Callback server started"):
                onward(Browser().open(address), "ada")
                address = None
        assert run.wait(timeout=SUITE_SECONDS) == 0, "".join(said)
    finally:
        late.cancel()
        run.kill()
        run.wait()
    checks = [check for file in tmp_path.rglob("checks.json") for check in json.loads(file.read_text())]
    verdicts = {check["id"]: check["status"] for check in checks}
    print(f"{revision}: {verdicts}")
    assert len(verdicts) >= 3 and set(verdicts.values()) == {"SUCCESS"}, (verdicts, "".join(said))
