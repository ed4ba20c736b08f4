"""The clients are the ones we pinned: every fact the other tests rely on was seen with these versions."""

import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent


def pinned(package: str) -> str:
    return json.loads((HERE / "package.json").read_text())["dependencies"][package]


def test_claude_code_is_the_pinned_one(claude_binary, tmp_path):
    said = subprocess.run(
        [claude_binary, "--version"],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert said.stdout.split()[0] == pinned("@anthropic-ai/claude-code")


def test_the_typescript_sdk_is_the_pinned_one(node_packages):
    installed = node_packages / "node_modules/@anthropic-ai/sdk/package.json"
    assert json.loads(installed.read_text())["version"] == pinned("@anthropic-ai/sdk")


def test_the_openid_provider_is_the_pinned_one(node_packages):
    installed = node_packages / "node_modules/oidc-provider/package.json"
    assert json.loads(installed.read_text())["version"] == pinned("oidc-provider")


def test_axe_is_the_pinned_one(node_packages):
    installed = node_packages / "node_modules/axe-core/package.json"
    assert json.loads(installed.read_text())["version"] == pinned("axe-core")
