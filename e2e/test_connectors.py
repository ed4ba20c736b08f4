"""Connectors with real counterparts: the official conformance suite, `server-everything`, the inspector and stock Claude Code, each at a
server directly and through Doorward.
"""

import collections
import json
import re
import subprocess
import sys

import pytest

from actors import device_sign_in, plain_http
from actors.browser import Browser
from actors.certificate import Certificate
from actors.claude_code import Machine, onward
from actors.doorward import Doorward, free_port
from actors.fakes import Fakes
from actors.mcp import HERE, RUN_SECONDS, Node, tool_called
from policies import POLICY

# how many checks of the conformance suite there are to pass, of each revision
CHECKS = {"2025-11-25": 84, "2026-07-28": 197}


def connector(name: str, url: str) -> str:
    transport = "sse" if url.endswith("/sse") else "http"
    return f'[[connector]]\nname = "{name}"\nurl = "{url}"\ntransport = "{transport}"\ndefinitions = "warn"\n'


def connectors(**urls: str) -> str:
    """The rules of these tests: engineers may do everything at each of these connectors, less two things."""
    listed = "".join(connector(name, url) for name, url in urls.items())
    return f"""{POLICY}
{listed}
[[action]]
name = "everything"
who = {{ groups = ["engineering"] }}
connector = "*"
actions = ["*"]
state = "allow"

[[action]]
name = "nobody reads the environment"
connector = "everything"
actions = ["get-env"]
state = "blocked"

[[action]]
name = "nobody makes errors"
connector = "strict"
actions = ["test_error_*"]
state = "blocked"

[[action]]
name = "images are asked for"
connector = "strict"
actions = ["test_image_content"]
state = "ask"
"""


def approved(page_of_call: str, login: str) -> None:
    """Says yes on a call's page, in a browser of its own."""
    page = onward(Browser().open(page_of_call), login)
    assert page.url == page_of_call, page
    page = page.press("approve this call")
    assert page.status == 200, page


@pytest.fixture(scope="module")
def node(node_packages):
    return Node(node_packages)


@pytest.fixture(scope="module")
def servers(node):
    with node.fixture() as fixture, node.everything(free_port()) as everything, node.everything(free_port(), "sse") as old:
        fixture, everything = (f"http://127.0.0.1:{port}/mcp" for port in (fixture, everything))
        yield {"fixture": fixture, "strict": fixture, "everything": everything, "old": f"http://127.0.0.1:{old}/sse"}


@pytest.fixture(scope="module")
def gateway(programs, own_fakes, servers, tmp_path_factory):
    home = tmp_path_factory.mktemp("connectors")
    policy = connectors(**servers)
    with Doorward(programs / "doorward", home, own_fakes, policy) as doorward:
        yield doorward


@pytest.fixture(scope="module")
def token(gateway):
    return device_sign_in.sign_in(gateway.base, "ada").access_token


@pytest.mark.parametrize("revision", CHECKS)
def test_the_conformance_suite_loses_no_pass_through_doorward(node, gateway, token, servers, tmp_path, revision):
    direct = node.checked(servers["fixture"], revision, tmp_path / "direct")
    assert (direct.passed.total(), direct.failed) == (CHECKS[revision], {})
    port = int(gateway.base.rsplit(":", 1)[1])
    with node.bearer(port, token) as door:
        through = node.checked(f"http://127.0.0.1:{door}/mcp/fixture", revision, tmp_path / "through")
    assert through.failed == {}
    assert direct.passed - through.passed == collections.Counter()


def test_the_inspector_lists_and_calls_what_is_allowed_and_nothing_else(node, gateway, token):
    url = f"{gateway.base}/mcp/everything"
    listed = json.loads(node.inspect(url, token, "--method", "tools/list"))
    names = [tool["name"] for tool in listed["tools"]]
    assert "echo" in names and "get-env" not in names
    said = node.inspect(url, token, "--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=40")
    assert "The sum of 2 and 40 is 42." in said


@pytest.mark.parametrize("path", ["/mcp/old", "/mcp"])
def test_the_inspector_lists_and_calls_a_server_of_the_old_transport(node, gateway, token, path):
    url, prefix = f"{gateway.base}{path}", "old_" if path == "/mcp" else ""
    listed = json.loads(node.inspect(url, token, "--method", "tools/list"))
    names = [tool["name"] for tool in listed["tools"]]
    assert f"{prefix}echo" in names
    said = node.inspect(url, token, "--method", "tools/call", "--tool-name", f"{prefix}get-sum", "--tool-arg", "a=2", "b=40")
    assert "The sum of 2 and 40 is 42." in said


@pytest.fixture
def further_fakes(programs):
    """For a second Doorward: an application has one redirect address."""
    fakes = Fakes(programs / "examples/fakes")
    yield fakes
    fakes.close()


def test_the_inspector_lists_and_calls_a_program_of_this_machine_in_its_sandbox(node, programs, further_fakes, tmp_path):
    command, allowed = node.everything_as_a_program()
    policy = connectors(everything="https://nowhere.invalid/").replace('url = "https://nowhere.invalid/"', f"command = {json.dumps(command)}")
    policy = policy.replace('state = "blocked"', 'state = "allow"')
    # nobody of these tests is at the connector that the last rules are about
    policy = policy[: policy.index('[[action]]\nname = "nobody makes errors"')]
    with Doorward(programs / "doorward", tmp_path, further_fakes, policy, more=allowed) as doorward:
        url, token = f"{doorward.base}/mcp/everything", device_sign_in.sign_in(doorward.base, "ada").access_token
        listed = json.loads(node.inspect(url, token, "--method", "tools/list"))
        assert "echo" in [tool["name"] for tool in listed["tools"]]
        said = node.inspect(url, token, "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello over stdio")
        assert "hello over stdio" in said
        said = node.inspect(url, token, "--method", "tools/call", "--tool-name", "get-env")
        environment = json.loads(json.loads(said)["content"][0]["text"])
        assert set(environment) == {"EVERYTHING", "HOME", "LANG", "PATH", "PWD"}
        log = (tmp_path / "doorward.log").read_text()
        assert "a connector's program runs" in log and environment["EVERYTHING"] not in log


def test_a_blocked_tool_and_one_that_there_is_not_are_one_answer(gateway, token):
    url = f"{gateway.base}/mcp/strict"
    assert "simple text" in json.dumps(tool_called(url, token, "test_simple_text"))
    blocked = tool_called(url, token, "test_error_handling")
    assert blocked["error"]["code"] == -32602
    assert blocked["error"]["message"] == tool_called(url, token, "test_error_nothing")["error"]["message"]


def test_a_call_that_asks_goes_once_after_a_yes_on_its_page(gateway, token):
    url, tool = f"{gateway.base}/mcp/strict", "test_image_content"
    told = tool_called(url, token, tool)["result"]
    assert told["isError"] is True
    page = re.search(rf"{gateway.base}/approvals/apr_\w+", told["content"][0]["text"])[0]
    assert tool_called(url, token, tool)["result"]["isError"] is True
    approved(page, "ada")
    done = tool_called(url, token, tool)["result"]
    assert done["content"][0]["type"] == "image", done
    once_more = tool_called(url, token, tool)["result"]
    assert once_more["isError"] is True and page not in once_more["content"][0]["text"]


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize("language", ["python", "typescript"])
def test_an_sdk_negotiates_lists_calls_and_reads(node, gateway, token, language, mode, version):
    program = [sys.executable, HERE / "job.py"] if language == "python" else [node.program, HERE / "job.mjs", node.modules.parent]
    job = [*program, f"{gateway.base}/mcp/strict", "test_simple_text", mode]
    done = subprocess.run(job, env=node.environment(BEARER=token), capture_output=True, text=True, timeout=RUN_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    did = json.loads(done.stdout)
    assert did["version"] == version
    assert "test_simple_text" in did["tools"] and "test_error_handling" not in did["tools"]
    assert did["said"] == "This is a simple text response for testing."
    assert did["read"] == "This is the content of the static text resource."
    assert did["prompt"] == "This is a simple prompt for testing."


@pytest.fixture
def over_tls(programs, further_fakes, servers, tmp_path, monkeypatch):
    """Clients pass over connectors of the settings that are not reached by TLS."""
    certificate = Certificate(tmp_path / "tls")
    # whom the actors of these tests believe
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    with Doorward(programs / "doorward", tmp_path / "over-tls", further_fakes, connectors(**servers), certificate) as doorward:
        yield doorward, certificate


def test_stock_claude_code_uses_a_connector_of_its_served_settings(claude_binary, over_tls, further_fakes, tmp_path):
    """Nothing but a sign-in is on the machine: the settings bring the connector, and Claude Code signs its person in there by itself."""
    further_fakes.heal()
    doorward, certificate = over_tls
    machine = Machine(claude_binary, tmp_path / "home", doorward.base)
    machine.variables = {"NODE_EXTRA_CA_CERTS": str(certificate.authority), "ENABLE_TOOL_SEARCH": "false"}
    machine.sign_in("ada")
    listed = machine.run("mcp", "list")
    assert re.search(rf"^strict: {doorward.base}/\S* .*Needs authentication", listed.stdout, re.MULTILINE), listed
    machine.connect("strict", "ada")
    tool = "mcp__strict__test_simple_text"
    answer = machine.ask(
        f"Say it. [testkit tool={tool}]", "--model", "sonnet", "--allowedTools", tool, "--output-format", "stream-json", "--verbose"
    )
    assert answer.status == 0, answer
    assert "This is a simple text response for testing." in answer.stdout, answer.stdout
    desktop = {"authorization": f"Bearer {further_fakes.id_token('ada', 'claude-desktop')}"}
    document = plain_http.send(doorward.base, "GET", "/user/bootstrap", headers=desktop)
    served = {server["name"]: server for server in document.json["managedMcpServers"]}
    assert served["strict"]["url"] == f"{doorward.base}/mcp/strict"
    states = served["strict"]["toolPolicy"]
    assert states["test_simple_text"] == "allow" and states["test_image_content"] == "ask"
    assert "test_error_handling" not in states, "what is blocked is not told of"


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize("language", ["python", "typescript"])
def test_an_sdk_finds_all_connectors_as_one(node, gateway, token, language, mode, version):
    program = [sys.executable, HERE / "job.py"] if language == "python" else [node.program, HERE / "job.mjs", node.modules.parent]
    job = [*program, f"{gateway.base}/mcp", "strict_test_simple_text", mode, "strict"]
    done = subprocess.run(job, env=node.environment(BEARER=token), capture_output=True, text=True, timeout=RUN_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    did = json.loads(done.stdout)
    assert did["version"] == version
    assert {"strict_test_simple_text", "fixture_test_simple_text", "everything_echo", "old_echo"} <= set(did["tools"])
    assert not {"strict_test_error_handling", "everything_get-env"} & set(did["tools"])
    assert len(did["tools"]) == len(set(did["tools"]))
    assert did["said"] == "This is a simple text response for testing."
    assert did["read"] == "This is the content of the static text resource."
    assert did["prompt"] == "This is a simple prompt for testing."


@pytest.mark.parametrize(("name", "path", "prefix"), [("strict", "/mcp/strict", ""), ("all-of-northwinds", "/mcp", "strict_")])
def test_stock_claude_code_lists_and_calls_a_tool_through_doorward(claude_binary, gateway, own_fakes, token, tmp_path, name, path, prefix):
    own_fakes.heal()
    machine = Machine(claude_binary, tmp_path / "home", gateway.base)
    machine.variables = {
        "CLAUDE_CODE_USE_GATEWAY": "1",
        "ANTHROPIC_BASE_URL": gateway.base,
        "ANTHROPIC_AUTH_TOKEN": own_fakes.id_token("ada", "claude-desktop"),
        # tools stand in the request itself, where the fake provider sees them
        "ENABLE_TOOL_SEARCH": "false",
    }
    server = {"type": "http", "url": f"{gateway.base}{path}", "headers": {"Authorization": f"Bearer {token}"}}
    servers = json.dumps({"mcpServers": {name: server}})
    tool = f"mcp__{name}__{prefix}test_simple_text"
    before = len(gateway.recorder.seen(path))
    with_servers = ["--mcp-config", servers, "--strict-mcp-config", "--allowedTools", tool]
    answer = machine.ask(f"Say it. [testkit tool={tool}]", "--model", "sonnet", *with_servers, "--output-format", "stream-json", "--verbose")
    assert answer.status == 0, answer
    events = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    offered = next(event["tools"] for event in events if event.get("subtype") == "init")
    assert tool in offered and f"mcp__{name}__{prefix}test_error_handling" not in offered
    assert max(len(tool) for tool in offered) <= 64
    assert "This is a simple text response for testing." in answer.stdout, answer.stdout
    assert len(gateway.recorder.seen(path)) > before
