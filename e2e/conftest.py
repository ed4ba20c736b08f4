"""Fixtures of all end-to-end tests: where the pinned clients are, and the fakes and gateways they talk to.

It reads the environment that `cargo xtask test` sets; every process it starts ends with it.
"""

import os
import pathlib
import platform

import pytest

from actors.doorward import Doorward
from actors.fakes import Fakes
from differential import requests as differential_requests
from differential.reference import CLIENT_ID, CLIENT_SECRET, Reference
from policies import POLICY

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


@pytest.fixture(scope="session")
def programs() -> pathlib.Path:
    """The folder with what cargo built."""
    return pathlib.Path(os.environ.get("DOORWARD_PROGRAMS", ROOT / "target/debug"))


@pytest.fixture(scope="session")
def shared_fakes(programs):
    fakes = Fakes(programs / "examples/fakes")
    yield fakes
    fakes.close()


@pytest.fixture
def fakes(shared_fakes):
    """The fakes, healthy and with nothing seen yet."""
    shared_fakes.heal()
    shared_fakes.forget()
    return shared_fakes


@pytest.fixture(scope="module")
def own_fakes(programs):
    """For a module with a Doorward of its own: an application has one redirect address, and the shared Doorward has registered its own."""
    fakes = Fakes(programs / "examples/fakes")
    yield fakes
    fakes.close()


@pytest.fixture(scope="session")
def reference(claude_binary, shared_fakes, tmp_path_factory):
    """The reference gateway with the policy of the differential tests."""
    gateway = Reference(
        claude_binary,
        tmp_path_factory.mktemp("reference"),
        idp=shared_fakes.issuer,
        provider=shared_fakes.provider,
        provider_key=shared_fakes.provider_key,
        policy=differential_requests.POLICY,
    )
    shared_fakes.register(CLIENT_ID, CLIENT_SECRET, f"{gateway.base}/oauth/callback")
    with gateway:
        yield gateway


@pytest.fixture(scope="session")
def shared_doorward(programs, shared_fakes, tmp_path_factory):
    home = tmp_path_factory.mktemp("doorward")
    with Doorward(programs / "doorward", home, shared_fakes, POLICY) as doorward:
        yield doorward


@pytest.fixture
def doorward(shared_doorward, fakes):
    """Doorward in front of healthy fakes, with no request noted yet."""
    shared_doorward.recorder.forget()
    return shared_doorward
