"""The certified OpenID provider `oidc-provider` (npm), in place of the fake one. Whoever says their name is that person; the Claude provider
beside it is the fakes'. It ends with us, because it reads our pipe.
"""

import os
import pathlib
import subprocess

from .browser import Page
from .doorward import free_port
from .fakes import Fakes

SCRIPT = pathlib.Path(__file__).parent.parent / "sdk/oidc_provider.mjs"


class OidcProvider:
    """What [`Doorward`] needs of the fakes, with another identity provider."""

    def __init__(self, node_packages: pathlib.Path, fakes: Fakes):
        self._node_packages = node_packages
        self.provider, self.provider_key = fakes.provider, fakes.provider_key
        self.issuer = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen | None = None

    def register(self, client_id: str, secret: str, redirect: str) -> None:
        """Starts it with this one application."""
        self._process = subprocess.Popen(
            ["node", SCRIPT, self.issuer, client_id, secret, redirect],
            env=os.environ | {"DOORWARD_NODE": str(self._node_packages)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # it may say first that it is not set up for production
        assert any("listening" in line for line in self._process.stdout), "oidc-provider did not start"

    def close(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(timeout=20)


def log_in(page: Page, login: str) -> Page:
    """Goes through the provider's own pages, whichever it shows."""
    for _ in range(4):
        labels = [button.label for form in page.forms for button in form.buttons]
        if "Sign-in" in labels:
            page = page.press("Sign-in", login=login, password="x")
        elif "Continue" in labels:
            page = page.press("Continue")
        else:
            return page
    raise AssertionError(f"no way through {page}")
