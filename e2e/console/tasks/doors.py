"""Tasks at the doors, by people who are not signed in: a sign-in, a device, a program that wants to be connected, acceptable use, the
envelope of the break-glass account.
"""

import base64
import hashlib
import http.server
import threading
import urllib.parse

from actors import plain_http

from . import TRIED, task

VERIFIER = "a-verifier-of-forty-three-letters-and-more-of-them"


@task("nobody")
def sign_in_to_the_console(hands):
    hands.open("/console")
    hands.button("northwind")
    hands.proves("grace")
    hands.says("Needs you")


@task("nobody")
def let_a_device_in(hands):
    hands.open("/device")
    hands.field("Code", "WRNG-CODE")
    hands.button("Continue")
    hands.link("Type it again")
    # that its status is 404 the browser says in its console
    hands.window.wrong.clear()
    hands.field("Code", _device_code(hands))
    hands.button("Continue")
    hands.button("northwind")
    hands.proves("edsger")
    hands.says("Edsger Dijkstra")
    hands.button("This is me, let it in")
    hands.says("close this window")


@task("nobody")
def deny_a_device(hands):
    hands.open(f"/device?user_code={_device_code(hands)}")
    hands.button("Deny")
    hands.says("denied")
    hands.open(f"/device?user_code={_device_code(hands)}")
    hands.button("northwind")
    hands.proves("edsger")
    hands.button("Deny")
    hands.says("denied")


@task("nobody")
def connect_a_program(hands):
    with _program() as program:
        hands.open(program.asks(hands))
        hands.button("northwind")
        hands.proves("ada")
        hands.says("Connect a program of the tests as you?")
        hands.button("Connect it")
        assert "code" in program.answer(hands), program.answer(hands)


@task("nobody")
def deny_a_program(hands):
    with _program() as program:
        hands.open(program.asks(hands))
        hands.button("northwind")
        hands.proves("ada")
        hands.button("Deny")
        assert program.answer(hands)["error"] == ["access_denied"], program.answer(hands)


@task("owner", "nobody", has_own_demo=True)
def publish_the_acceptable_use_and_accept_it(writes, accepts):
    writes.open("/console/acceptable-use")
    writes.link("Write the draft")
    writes.field("Contact", "the help desk")
    writes.field("How to reach them", "help@northwind.example")
    writes.button("Save the draft")
    writes.link("Publish it")
    writes.field("Reason", TRIED)
    writes.button("Publish it")
    writes.says("Who has accepted")
    accepts.open("/acceptable-use")
    accepts.button("northwind")
    accepts.proves("alan")
    accepts.tick("I have read version 1")
    accepts.button("Accept")
    accepts.says("You have accepted version 1")


@task("nobody", has_own_demo=True)
def break_the_glass(hands):
    code = hands.demo.command("break-glass", "seal", "--reason", TRIED).split()[-1]
    hands.open("/console/sign-in")
    hands.link("Is the identity provider away?")
    hands.field("Code", code)
    hands.button("Break the glass")
    hands.says("Needs you")


def _device_code(hands) -> str:
    started = plain_http.send(hands.demo.base, "POST", "/oauth/device_authorization", form={"surface": "claude_code"})
    return started.json["user_code"]


class _program:
    """A program on this computer that wants to call a connector, and hears the answer."""

    def __enter__(self):
        heard = self.heard = []

        class Ear(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>Connected</title><link rel=icon href=data:,><main>You can go back</main>")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._redirect = f"http://127.0.0.1:{self._server.server_port}/callback"
        return self

    def __exit__(self, *_):
        self._server.shutdown()

    def asks(self, hands) -> str:
        """Registers, and the address that it sends the browser to."""
        document = {"client_name": "a program of the tests", "redirect_uris": [self._redirect]}
        registered = plain_http.send(hands.demo.base, "POST", "/oauth/register", document=document)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": registered.json["client_id"],
            "redirect_uri": self._redirect,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "resource": f"{hands.demo.base}/mcp/crm",
            "state": "tried",
        }
        return "/oauth/authorize?" + urllib.parse.urlencode(query)

    def answer(self, hands) -> dict[str, list[str]]:
        hands.says("You can go back")
        return self.heard[-1]
