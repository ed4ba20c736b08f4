"""The reference gateway: `claude gateway` of the pinned Claude Code, on loopback, beside our fakes and a private PostgreSQL."""

import json
import os
import pathlib
import subprocess

from actors.doorward import free_port
from actors.terminal import without_claude

ADMIN_KEY = "reference-admin-key-of-the-tests-0001"
CLIENT_ID, CLIENT_SECRET = "reference", "reference-client-secret-of-the-tests"
START_LINES_MAX = 200


class Reference:
    """Runs while the `with` block lasts."""

    def __init__(self, claude: pathlib.Path, home: pathlib.Path, *, idp: str, provider: str, provider_key: str, policy: dict, desktop: dict | None = None):
        self.base = f"http://127.0.0.1:{free_port()}"
        self._claude, self._home = claude, home
        self._config = configuration(self.base, idp, provider, provider_key, policy)
        if desktop is not None:
            self._config["managed"]["policies"][0]["desktop"] = desktop

    def __enter__(self) -> "Reference":
        self._home.mkdir(parents=True, exist_ok=True)
        file = self._home / "gateway.json"
        # every JSON document is a YAML document
        file.write_text(json.dumps(self._config, indent=2))
        self._log = open(self._home / "gateway.log", "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [self._claude, "gateway", "--config", file],
            env=without_claude()
            | {
                "HOME": str(self._home),
                "CLAUDE_GATEWAY_ALLOW_LOOPBACK": "1",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_TELEMETRY": "1",
                "POSTGRES_URL": os.environ["DOORWARD_TEST_POSTGRES"],
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._wait_until_it_listens()
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            # reads on, so that a last word cannot block it
            self._process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _wait_until_it_listens(self) -> None:
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "gateway listening on" in line:
                return
            if len(said) > START_LINES_MAX:
                break
        self.__exit__()
        raise AssertionError("the reference gateway did not start:\n" + "".join(said))


def configuration(base: str, idp: str, provider: str, provider_key: str, policy: dict) -> dict:
    """A gateway for one identity provider and one model provider. Secrets are of the tests alone."""
    return {
        "listen": {"host": "127.0.0.1", "port": int(base.rsplit(":", 1)[1]), "public_url": base},
        "oidc": {"issuer": idp, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        "session": {"jwt_secret": "reference-session-secret-of-the-tests"},
        "store": {"postgres_url": "${POSTGRES_URL}"},
        "upstreams": [
            {"name": "fake", "provider": "anthropic", "base_url": provider, "auth": {"api_key": provider_key}}
        ],
        "managed": {"policies": [{"match": {}, "cli": policy}]},
        "admin": {"write_keys": [{"id": "tests", "key": ADMIN_KEY}]},
        "login_notice": "Claude at Northwind.",
    }
