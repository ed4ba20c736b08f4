"""What Doorward writes for clients: other people's parsers read it, the reference gateway takes it, and stock Claude Code obeys it."""

import configparser
import json
import plistlib
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest

from actors import plain_http
from actors.claude_code import Machine
from actors.doorward import Doorward
from differential.reference import CLIENT_ID, CLIENT_SECRET, Reference
from policies import POLICY, SERVED_HEADER

MESSAGES = "/v1/messages"
RING = "engineering"
# what the reference gateway sets by itself and refuses in a policy
OF_THE_GATEWAY = ("inference", "bootstrap", "otlpEndpoint", "otlpProtocol", "otlpAuthMode")

SETTINGS = """
[[managed_settings]]
name = "engineers work in a sandbox"
who = { groups = ["engineering"] }

[managed_settings.settings]
allowManagedPermissionRulesOnly = true
availableModels = ["claude-sonnet-5", "claude-haiku-4-5-20251001"]
enforceAvailableModels = true
cleanupPeriodDays = 14
disableSideloadFlags = true
allowManagedMcpServersOnly = true
allowedMcpServers = [{ serverUrl = "https://mcp.northwind.example/*" }]
companyAnnouncements = ["Claude at <Northwind> & \\"friends\\""]

[managed_settings.settings.permissions]
deny = ["Read(./.env)", "Read(**/secrets/**)"]
disableBypassPermissionsMode = "disable"

[managed_settings.settings.sandbox]
enabled = true
failIfUnavailable = true
allowUnsandboxedCommands = false
network = { allowedDomains = ["github.com"], allowManagedDomainsOnly = true }

[managed_settings.settings.managedMcpServers.tickets]
type = "http"
url = "https://mcp.northwind.example/tickets"

[[desktop_settings]]
name = "engineers"
who = { groups = ["engineering"] }

[desktop_settings.settings]
banner = { enabled = true, text = "Claude at <Northwind>" }
disabledBuiltinTools = ["WebSearch"]
isLocalDevMcpEnabled = false
otlpDesktopLogLevel = "warn"
organizationInstructions = "Be kind.\\nBe brief."
"""


@pytest.fixture(scope="module")
def ring(programs, own_fakes, tmp_path_factory):
    """A Doorward whose policy says what engineers' devices get."""
    home = tmp_path_factory.mktemp("ring")
    with Doorward(programs / "doorward", home, own_fakes, POLICY + SETTINGS) as doorward:
        yield doorward


@pytest.fixture(scope="module")
def files(ring, tmp_path_factory):
    """Every file of the ring, by its name."""
    folder = tmp_path_factory.mktemp("files")
    ring.command("export", "all", "--group", RING, "--output", str(folder))
    return {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}


def document(file) -> dict:
    return json.loads(file.read_text())


def as_the_app_reads(texts: dict, meant: dict) -> dict:
    """Texts as Claude Desktop reads them from macOS and Windows."""
    assert all(isinstance(text, str) for text in texts.values()), texts
    return {key: text if isinstance(meant[key], str) else json.loads(text) for key, text in texts.items()}


def forced(file, domain: str) -> dict:
    profile = plistlib.loads(file.read_bytes())
    assert profile["PayloadType"] == "Configuration"
    return profile["PayloadContent"][0]["PayloadContent"][domain]["Forced"][0]["mcx_preference_settings"]


def test_apples_parser_reads_the_profiles(files):
    meant = document(files["claude-desktop-engineering.json"])
    for texts in (
        forced(files["claude-desktop-engineering.mobileconfig"], "com.anthropic.claudefordesktop"),
        plistlib.loads(files["claude-desktop-engineering.plist"].read_bytes()),
    ):
        assert as_the_app_reads(texts, meant) == meant
    meant = document(files["claude-code-engineering.json"])
    assert forced(files["claude-code-engineering.mobileconfig"], "com.anthropic.claudecode") == meant
    assert plistlib.loads(files["claude-code-engineering.plist"].read_bytes()) == meant


def test_an_ini_parser_reads_the_registry_files(files):
    meant = document(files["claude-desktop-engineering.json"])
    reader = configparser.RawConfigParser(delimiters="=", comment_prefixes=";", strict=False)
    reader.optionxform = str
    _, text = files["claude-desktop-engineering.reg"].read_bytes().decode("utf-16").split("\r\n", 1)
    reader.read_string(text)

    def value(written: str) -> str:
        if written.startswith("hex(1):"):
            return bytes.fromhex(written[7:].replace(",", "")).decode("utf-16-le").rstrip("\0")
        return json.loads(written)

    section = reader["HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Claude"]
    texts = {json.loads(name): value(written) for name, written in section.items()}
    assert as_the_app_reads(texts, meant) == meant


def test_an_xml_parser_reads_the_template_and_intune_sets_what_it_has(files):
    namespace = "{http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions}"
    template = ElementTree.parse(files["claude.admx"]).getroot()
    names = {policy.attrib["name"] for policy in template.iter(f"{namespace}policy")}
    strings = {string.attrib["id"] for string in ElementTree.parse(files["claude.adml"]).getroot().iter(f"{namespace}string")}
    assert names <= strings
    meant = document(files["claude-desktop-engineering.json"])
    rows = document(files["claude-engineering.intune.json"])["omaSettings"]
    assert rows[0]["value"].encode() == files["claude.admx"].read_bytes()
    texts = {}
    for row in rows[1:]:
        data = ElementTree.fromstring(f"<v>{row['value']}</v>").find("data")
        texts[data.attrib["id"]] = data.attrib["value"]
    code = texts.pop("ClaudeCodeSettings")
    assert json.loads(code) == document(files["claude-code-engineering.json"])
    assert set(texts) <= names
    assert as_the_app_reads(texts, meant) == meant


def test_no_file_holds_a_secret_and_the_lint_finds_nothing(programs, files, own_fakes):
    for file in files.values():
        text = file.read_bytes().replace(b"\0", b"")
        assert own_fakes.provider_key.encode() not in text
        assert b"client-secret" not in text
    file = files["claude-code-engineering.json"]
    done = subprocess.run([programs / "doorward", "lint", file], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout.strip()) == (0, "nothing found")


def test_the_reference_gateway_takes_what_is_exported(claude_binary, own_fakes, files, tmp_path):
    code = document(files["claude-code-engineering.json"])
    desktop = document(files["claude-desktop-engineering.json"])
    desktop = {key: value for key, value in desktop.items() if not key.startswith(OF_THE_GATEWAY)}
    boot = dict(idp=own_fakes.issuer, provider=own_fakes.provider, provider_key=own_fakes.provider_key)
    accepted = Reference(claude_binary, tmp_path / "accepted", policy=code, desktop=desktop, **boot)
    own_fakes.register(CLIENT_ID, CLIENT_SECRET, f"{accepted.base}/oauth/callback")
    with accepted:
        assert plain_http.send(accepted.base, "GET", "/healthz").status == 200
    # and it would have said so: the same with one wrong type is refused
    refused = Reference(claude_binary, tmp_path / "refused", policy=code | {"cleanupPeriodDays": "14"}, **boot)
    own_fakes.register(CLIENT_ID, CLIENT_SECRET, f"{refused.base}/oauth/callback")
    with pytest.raises(AssertionError, match="cleanupPeriodDays"), refused:
        pass


def test_stock_claude_code_obeys_a_setting_changed_through_the_api_at_its_next_start(
    claude_binary, ring, files, tmp_path
):
    # the exported file is all that the machine has; what else it holds needs a sandbox, which this machine may lack
    exported = document(files["claude-code-engineering.json"])
    sign_in = {key: exported[key] for key in ("forceLoginMethod", "forceLoginGatewayUrl")}
    assert sign_in["forceLoginGatewayUrl"] == ring.base
    ring.apply(POLICY)
    ada = Machine(claude_binary, tmp_path / "home", ring.base, **sign_in)
    ada.sign_in("ada")
    ring.recorder.forget()
    assert ada.ask("hello").status == 0
    assert headers(ring)[SERVED_HEADER[0]] == SERVED_HEADER[1]

    ring.command("role", "grant", "admin", "--person", "ada@northwind.example", "--reason", "tests")
    bearer = {"authorization": f"Bearer {ada.credentials()['jwt']}"}
    current = plain_http.send(ring.base, "GET", "/api/v1/policy", headers=bearer)
    changed = current.json["text"].replace(f"{SERVED_HEADER[0]}: {SERVED_HEADER[1]}", f"{SERVED_HEADER[0]}: changed")
    put = plain_http.send(
        ring.base,
        "PUT",
        "/api/v1/policy",
        headers=bearer | {"if-match": current.headers["etag"]},
        document={"text": changed, "reason": "tests"},
    )
    assert (put.status, put.json["changed"]) == (200, True), put.body

    # in force within a second of being applied
    deadline = time.monotonic() + 10
    while b"changed" not in plain_http.send(ring.base, "GET", "/managed/settings", headers=bearer).body:
        assert time.monotonic() < deadline, "the change is not in force"
    ring.recorder.forget()
    assert ada.ask("hello again").status == 0
    assert headers(ring)[SERVED_HEADER[0]] == "changed"


COMPANY = """
[[managed_settings]]
name = "the company's servers alone"
who = { groups = ["engineering"] }
servers = "company"
settings = {}
"""

# what people add by hand: a server elsewhere, and a program of the machine's own
BY_HAND = {
    "elsewhere": ("--transport", "http", "elsewhere", "http://127.0.0.1:9/mcp"),
    "program": ("program", "--", "/bin/cat"),
}
REFUSED = "not allowed by enterprise policy"


@pytest.mark.parametrize("servers", ["any", "company"])
def test_stock_claude_code_takes_a_server_added_by_hand_unless_servers_are_the_companys(
    claude_binary, ring, tmp_path, servers
):
    is_closed = servers == "company"
    ring.apply(POLICY + COMPANY if is_closed else POLICY)
    ada = Machine(claude_binary, tmp_path / "home", ring.base)
    ada.sign_in("ada")
    # the first run brings the settings
    assert ada.ask("hello").status == 0
    for name, words in BY_HAND.items():
        added = ada.run("mcp", "add", *words)
        assert (added.status != 0) is is_closed, (name, added.text)
        assert (REFUSED in added.text) is is_closed, (name, added.text)
    # ours are allowed in any case
    for name, address in (("ours", "/mcp/anything"), ("all-of-ours", "/mcp")):
        added = ada.run("mcp", "add", "--transport", "http", name, ring.base + address)
        assert added.status == 0, added.text
    listed = ada.run("mcp", "list").text
    assert "ours" in listed and ("elsewhere" in listed) is not is_closed, listed
    # nor does one come in by a flag
    flag = json.dumps({"mcpServers": {"by-flag": {"command": "/bin/cat"}}})
    answer = ada.ask("hello", "--mcp-config", flag)
    assert ("blocked by enterprise policy: by-flag" in answer.text) is is_closed, answer.text


def headers(doorward) -> dict:
    return doorward.recorder.seen(MESSAGES)[-1].headers
