"""Somebody of the company who uses connectors: in a browser, where they connect their own account, and with a client whose every message is
written here, so that nothing but Doorward is between it and a connector.
"""

import itertools
import json
import urllib.parse

from . import device_sign_in, plain_http
from .browser import Browser, Page
from .claude_code import onward

CONNECTED = "It is connected."
MODERN = "2026-07-28"
ABOUT = {"name": "one of the tests", "version": "1"}


class Staff:
    def __init__(self, base: str, login: str):
        self.base, self._browser = base, Browser()
        page = onward(self._browser.open(f"{base}/connect"), login)
        assert page.url == f"{base}/connect", page
        self._token = device_sign_in.sign_in(base, login).access_token

    def connects(self, connector: str) -> Page:
        """Goes to the connector's authorization server and comes back; the page at which that ended."""
        page = self._browser.open(f"{self.base}/connect/{connector}").press("connect anew", "connect")
        return page.follow("go on at") if page.status == 200 else page

    def client(self, path: str, revision: str, **can) -> "Client":
        """A client of this revision at one of Doorward's addresses, with a session where it has such a thing."""
        return Client(f"{self.base}{path}", self._token, revision, can)


class Client:
    def __init__(self, url: str, token: str, revision: str, can: dict):
        parts = urllib.parse.urlsplit(url)
        self._base, self._path = f"{parts.scheme}://{parts.netloc}", parts.path
        self._revision, self._can = revision, can
        self._ids = itertools.count(1)
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
        if revision != MODERN:
            self._begin()

    def _begin(self) -> None:
        hello = {"protocolVersion": self._revision, "capabilities": self._can, "clientInfo": ABOUT}
        answer = self._send({"jsonrpc": "2.0", "id": next(self._ids), "method": "initialize", "params": hello}, {})
        assert "result" in _message(answer), answer
        if session := answer.headers.get("mcp-session-id"):
            self._headers["mcp-session-id"] = session
        self._headers["mcp-protocol-version"] = self._revision
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"}, {})

    def tools(self) -> list[dict]:
        """What is listed; nothing where the list is refused."""
        return self.ask("tools/list", {}).get("result", {}).get("tools", [])

    def call(self, tool: str, arguments: dict | None = None, **more) -> dict:
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}} | more, tool)

    def ask(self, method: str, params: dict, name: str = "") -> dict:
        """What is answered, whole; `name` is what the request is about, where it is about something."""
        headers = {}
        if self._revision == MODERN:
            meta = {"protocolVersion": MODERN, "clientCapabilities": self._can, "clientInfo": ABOUT}
            params = params | {"_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}}
            headers = {"mcp-method": method, "mcp-protocol-version": MODERN} | ({"mcp-name": name} if name else {})
        return _message(self._send({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}, headers))

    def _send(self, message: dict, headers: dict[str, str]) -> plain_http.Answer:
        return plain_http.send(self._base, "POST", self._path, headers=self._headers | headers, document=message)


def _message(answer: plain_http.Answer) -> dict:
    """The answer itself, of all that came."""
    if answer.content_type != "text/event-stream":
        return answer.json
    said = [json.loads(data) for _, data in answer.events() if data]
    return next(one for one in reversed(said) if "result" in one or "error" in one)


def text_of(answer: dict) -> str:
    """What a model would read."""
    return "".join(part.get("text", "") for part in answer.get("result", {}).get("content", []))
