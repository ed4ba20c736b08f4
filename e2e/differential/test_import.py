"""The configuration that the reference gateway runs with here is carried over whole by `doorward import`."""

import json
import subprocess

from differential import requests
from differential.reference import ADMIN_KEY, CLIENT_SECRET, configuration


def test_the_configuration_of_the_reference_gateway_is_carried_over_whole(programs, tmp_path):
    base, idp, provider = (f"http://127.0.0.1:{port}" for port in (18080, 18081, 18082))
    config = configuration(base, idp, provider, "provider-key-of-the-tests", requests.POLICY)
    file, out = tmp_path / "gateway.yaml", tmp_path / "out"
    file.write_text(json.dumps(config, indent=2))
    imported = subprocess.run(
        [programs / "doorward", "import", "claude-gateway", file, "--out", out], capture_output=True, text=True, check=False
    )
    assert imported.returncode == 0, imported.stderr
    everything = imported.stderr + (out / "doorward.toml").read_text() + (out / "policy.toml").read_text()
    for secret in (CLIENT_SECRET, ADMIN_KEY, "provider-key-of-the-tests", config["session"]["jwt_secret"]):
        assert secret not in everything
    assert '"claude-sonnet-*"' in everything and "DOORWARD_DIFFERENTIAL" in everything
    checked = subprocess.run(
        [programs / "doorward", "check-config", "--config", out / "doorward.toml"],
        env={
            name: "a-value-of-at-least-32-characters"
            for name in ("POSTGRES_URL", "DOORWARD_MASTER_KEY", "DOORWARD_CLIENT_SECRET", "DOORWARD_UPSTREAM_0", "DOORWARD_ADMIN_WRITE_0")
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
