"""Doorward as an operator runs it: a configuration file, a policy file, `serve`, and the command line beside it.

A recorder stands in front as its public address, so that every request of a client is counted. SQLite inside; one temporary
folder; it ends with us.
"""

import contextlib
import json
import pathlib
import random
import socket
import subprocess
import threading
import tomllib

from .certificate import Certificate
from .fakes import Fakes
from .recorder import Recorder
from .terminal import without_claude

CLIENT_ID, CLIENT_SECRET = "doorward", "doorward-client-secret-of-the-tests"
DESKTOP_ID = "claude-desktop"
ADMIN_KEY = "doorward-admin-key-of-the-tests-00001"
COMMAND_SECONDS = 60
STOP_SECONDS = 30


class Doorward:
    """Runs while the `with` block lasts. `more` stands at the end of its configuration."""

    def __init__(
        self,
        program: pathlib.Path,
        home: pathlib.Path,
        fakes: Fakes,
        policy: str,
        certificate: Certificate | None = None,
        more: str = "",
    ):
        """With a certificate it is reached itself, over TLS, and the recorder sees nothing."""
        self._program, self._home, self._fakes = program, home, fakes
        self._certificate = certificate
        self.recorder = Recorder()
        self._listen, self._ops = free_port(), free_port()
        self.base = f"https://localhost:{self._listen}" if certificate else self.recorder.base
        self._secrets = {
            "E2E_CLIENT_SECRET": CLIENT_SECRET,
            "E2E_PROVIDER_KEY": fakes.provider_key,
            "E2E_ADMIN_KEY": ADMIN_KEY,
        }
        home.mkdir(parents=True, exist_ok=True)
        self.config = home / "doorward.toml"
        self.config.write_text(self._configuration() + more)
        self._first_policy = policy

    @property
    def ops(self) -> str:
        """Where operators look: metrics and health."""
        return f"http://127.0.0.1:{self._ops}"

    def __enter__(self) -> "Doorward":
        self._fakes.register(CLIENT_ID, CLIENT_SECRET, f"{self.base}/oauth/callback")
        self.apply(self._first_policy)
        self._log = open(self._home / "doorward.log", "w", encoding="utf-8", buffering=1)
        self._process = subprocess.Popen(
            [self._program, "serve", "--config", self.config],
            env=without_claude() | self._secrets,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._wait_until_it_serves()
        self.recorder.to(self._listen)
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"Doorward did not stop in {STOP_SECONDS} s") from None
        finally:
            self.recorder.close()

    def apply(self, policy: str) -> None:
        """Puts a policy in force; its connectors are reviewed."""
        file = self._home / "policy.toml"
        file.write_text(policy)
        version = self._version_in_force()
        self.command("policy", "apply", str(file), "--reason", "tests", "--expected", version)
        connectors = [connector["name"] for connector in tomllib.loads(policy).get("connector", [])]
        if connectors:
            self.command("connectors", "review", *connectors, "--risk", "low", "--vendor", "the tests", "--reason", "tests")

    def command(self, *arguments: str) -> str:
        """Runs a subcommand against this installation and returns what it printed."""
        done = subprocess.run(
            [self._program, *arguments, "--config", self.config],
            env=without_claude() | self._secrets,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"doorward {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _version_in_force(self) -> str:
        header = self.command("policy", "export").splitlines()[0]
        return next((word for word in header.split() if word.isdigit()), "0")

    def _wait_until_it_serves(self) -> None:
        said = []
        for line in self._process.stderr:
            self._log.write(line)
            said.append(line)
            if '"serving"' in line:
                # whatever else it says must not fill the pipe
                threading.Thread(target=self._log.writelines, args=(self._process.stderr,), daemon=True).start()
                return
        raise AssertionError("Doorward did not start:\n" + "".join(said))

    def _configuration(self) -> str:
        tls = self._certificate
        files = f"tls = {{ certificate = {json.dumps(str(tls.chain))}, key = {json.dumps(str(tls.key))} }}" if tls else ""
        return f"""
[server]
public_url = {json.dumps(self.base)}
org = "Northwind"
listen = "127.0.0.1:{self._listen}"
ops = "127.0.0.1:{self._ops}"
login_notice = "Claude at Northwind."
drain_s = 1
{files}

[store]
url = {json.dumps(f"sqlite:{self._home / 'doorward.db'}")}

[ledger]
dir = {json.dumps(str(self._home / "ledger"))}

[[issuer]]
name = "northwind"
issuer = {json.dumps(self._fakes.issuer)}
audiences = ["{CLIENT_ID}", "{DESKTOP_ID}"]
client_id = "{CLIENT_ID}"
client_secret = "${{E2E_CLIENT_SECRET}}"

[[upstream]]
name = "claude"
provider = "anthropic"
base_url = {json.dumps(self._fakes.provider)}
auth = {{ api_key = "${{E2E_PROVIDER_KEY}}" }}

# its own document lies on the Internet, which no test reaches
[[oauth_client]]
id = "https://claude.ai/oauth/claude-code-client-metadata"
name = "Claude Code"
redirect_uris = ["http://localhost/callback"]

[[admin_key]]
id = "tests"
key = "${{E2E_ADMIN_KEY}}"
writes = true
"""


def free_port() -> int:
    """Below the range the system hands out from, so that no connection takes it before we listen."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
