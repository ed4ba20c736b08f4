"""The identity provider and the Claude provider of testkit, as a process beside the tests, and orders to them.

It ends with us, because it reads our pipe. See crates/testkit/examples/fakes.rs for the orders.
"""

import dataclasses
import json
import pathlib
import subprocess
import threading


@dataclasses.dataclass(frozen=True)
class Seen:
    """A request that reached the Claude provider."""

    method: str
    path: str
    query: str
    request_id: str
    headers: dict[str, str]
    body_bytes: int
    # Complete, ClientLeft, Fault; None while it lasts
    ended: str | None


class Fakes:
    def __init__(self, program: pathlib.Path):
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._lock = threading.Lock()
        about = json.loads(self._process.stdout.readline())
        self.issuer: str = about["issuer"]
        self.provider: str = about["provider"]
        self.provider_key: str = about["provider_key"]
        self.people: dict[str, dict] = {person["login"]: person for person in about["people"]}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)

    def seen(self, path: str = "") -> list[Seen]:
        """What reached the provider since the last `forget`; only this path, when one is named."""
        seen = [Seen(**one) for one in self._order("seen")]
        return [one for one in seen if not path or one.path == path]

    def forget(self) -> None:
        self._order("forget")

    def fault(self, fault: str) -> None:
        """The provider behaves so until `heal`: `status=529`, `cut-after=3`, …"""
        self._order("fault", fault=fault)

    def heal(self) -> None:
        self._order("heal")

    def say(self, text: str) -> None:
        """The provider's next answer."""
        self._order("say", text=text)

    def disable(self, login: str) -> None:
        """The person may no longer sign in or refresh at the identity provider."""
        self._order("disable", who=login)

    def register(self, client_id: str, secret: str, redirect: str) -> None:
        """Makes an application known to the identity provider."""
        self._order("register", client_id=client_id, secret=secret, redirect=redirect)

    def id_token(self, login: str, client_id: str) -> str:
        """What the identity provider would give an application for this person."""
        return self._order("id_token", who=login, client_id=client_id)

    def _order(self, do: str, **details):
        with self._lock:
            self._process.stdin.write(json.dumps({"do": do} | details) + "\n")
            said = json.loads(self._process.stdout.readline())
        assert "mistake" not in said, said["mistake"]
        return said["answer"]
