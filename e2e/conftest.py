"""Fixtures of all end-to-end tests: where the pinned clients are, and processes that always end.

It reads the environment that `cargo xtask test` sets and starts nothing by itself.
"""

import os
import pathlib
import platform

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NODE_ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}


@pytest.fixture(scope="session")
def node_packages() -> pathlib.Path:
    """The folder whose `node_modules` holds the pinned Node packages."""
    return pathlib.Path(os.environ.get("DOORWARD_NODE", ROOT / ".work/node"))


@pytest.fixture(scope="session")
def claude_binary(node_packages) -> pathlib.Path:
    """Stock Claude Code, the native program of its npm package."""
    system = f"{platform.system().lower()}-{NODE_ARCHITECTURES[platform.machine()]}"
    binary = node_packages / "node_modules/@anthropic-ai" / f"claude-code-{system}" / "claude"
    assert binary.is_file(), f"{binary} is missing: run `cargo xtask test e2e`"
    return binary
