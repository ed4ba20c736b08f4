"""The requests that both gateways get, in order. Each has a name, and the status the reference gave when it was written.

Every request is one that a stock client sends, or what goes wrong with it. They assume: the person may use Sonnet and Haiku
but not Opus; a managed settings document; no desktop document; no budget.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from actors import device_sign_in, plain_http
from actors.device_sign_in import GRANT
from actors.plain_http import Answer

ALLOWED_MODEL = "claude-sonnet-5"
DENIED_MODEL = "claude-opus-5-5"
PERSON = "ada"
# what both gateways are told to hold people to, as Claude Code's managed settings say it
POLICY = {"availableModels": ["sonnet", "haiku"], "env": {"DOORWARD_DIFFERENTIAL": "1"}}
OVER_THE_LIMIT_BYTES = 32 * 1024 * 1024 + 1


@dataclass
class Conversation:
    """One gateway, and everything said to it so far."""

    base: str
    admin_key: str
    # the person's `sub` at the identity provider
    person_id: str
    said: dict[str, Answer] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)

    def ask(self, name: str, status: int, method: str, path: str, **request) -> Answer:
        """Sends a request; `status` is what the reference answers."""
        assert name not in self.said, f"two requests are called {name!r}"
        answer = plain_http.send(self.base, method, path, **request)
        self.said[name], self.expected[name] = answer, status
        return answer


def hold(talk: Conversation) -> None:
    """The whole conversation."""
    public(talk)
    session = sign_in(talk)
    bearer = {"authorization": f"Bearer {session['access_token']}"}
    credentials(talk, session["access_token"])
    policy(talk, bearer)
    inference(talk, bearer)
    malformed_inference(talk, bearer)
    telemetry(talk, bearer)
    unknown(talk, bearer)
    spend_limits(talk, bearer)


def public(talk: Conversation) -> None:
    talk.ask("discovery", 200, "GET", "/.well-known/oauth-authorization-server")
    talk.ask("discovery of OpenID", 401, "GET", "/.well-known/openid-configuration")
    talk.ask("health", 200, "GET", "/healthz")
    talk.ask("readiness", 200, "GET", "/readyz")
    talk.ask("protocol", 200, "GET", "/protocol")
    talk.ask("hello", 401, "HEAD", "/api/hello")
    talk.ask("device page", 200, "GET", "/device")
    talk.ask("device page with a code", 200, "GET", "/device?user_code=BCDF-GHJK")


def sign_in(talk: Conversation) -> dict:
    """From the device code to a session, with every mistake on the way."""
    token: Callable = lambda name, status, **form: talk.ask(name, status, "POST", "/oauth/token", form=form)
    started = talk.ask(
        "device code", 200, "POST", "/oauth/device_authorization", form={"surface": "claude_code"}
    ).json
    code = started["device_code"]
    talk.ask("device code without a surface", 200, "POST", "/oauth/device_authorization", form={})
    token("token: pending", 400, grant_type=GRANT, device_code=code)
    token("token: unknown device code", 400, grant_type=GRANT, device_code="unknown")
    token("token: no device code", 400, grant_type=GRANT)
    token("token: no grant type", 400)
    token("token: unknown grant type", 400, grant_type="password", username="ada", password="x")
    token("token: unknown refresh token", 401, grant_type="refresh_token", refresh_token="unknown")
    talk.ask("token: not a form", 400, "POST", "/oauth/token", document={"grant_type": GRANT})
    device_sign_in.approve(started["verification_uri"], started["user_code"], PERSON)
    session = token("token", 200, grant_type=GRANT, device_code=code).json
    token("token: used device code", 400, grant_type=GRANT, device_code=code)
    renewed = token("token: refresh", 200, grant_type="refresh_token", refresh_token=session["refresh_token"])
    return renewed.json


def credentials(talk: Conversation, token: str) -> None:
    path = "/managed/settings"
    talk.ask("no credential", 401, "GET", path)
    talk.ask("unknown bearer", 401, "GET", path, headers={"authorization": "Bearer unknown"})
    broken = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    talk.ask("bearer with a broken signature", 401, "GET", path, headers={"authorization": f"Bearer {broken}"})
    talk.ask("basic credential", 401, "GET", path, headers={"authorization": "Basic eDp5"})
    talk.ask("session as x-api-key", 401, "GET", path, headers={"x-api-key": token})
    talk.ask("inference without a credential", 401, "POST", "/v1/messages", document=message())
    talk.ask(
        "inference with an unknown bearer",
        401,
        "POST",
        "/v1/messages",
        document=message(),
        headers={"authorization": "Bearer unknown"},
    )


def policy(talk: Conversation, bearer: dict[str, str]) -> None:
    settings = talk.ask("settings", 200, "GET", "/managed/settings", headers=bearer)
    held = bearer | {"if-none-match": settings.headers.get("etag", "")}
    talk.ask("settings that are held", 304, "GET", "/managed/settings", headers=held)
    stale = bearer | {"if-none-match": '"sha256:0"'}
    talk.ask("settings that are stale", 200, "GET", "/managed/settings", headers=stale)
    probe = bearer | {"if-none-match": "*"}
    talk.ask("settings probed by the desktop app", 200, "GET", "/managed/settings", headers=probe)
    talk.ask("models", 200, "GET", "/v1/models", headers=bearer)
    talk.ask("models as Claude Code asks", 200, "GET", "/v1/models?limit=1000", headers=bearer)
    talk.ask("usage", 200, "GET", "/api/oauth/usage", headers=bearer)
    talk.ask("desktop bootstrap", 404, "GET", "/user/bootstrap", headers=bearer)


def inference(talk: Conversation, bearer: dict[str, str]) -> None:
    headers = bearer | {"anthropic-version": "2023-06-01"}

    def post(name: str, status: int, document, path: str = "/v1/messages"):
        talk.ask(name, status, "POST", path, document=document, headers=headers)

    post("message", 200, message())
    post("message with a query", 200, message(), "/v1/messages?beta=true")
    post("stream", 200, message(stream=True))
    post("message: model not allowed", 400, message(model=DENIED_MODEL))
    post("message: model nobody knows", 400, message(model="gpt-4"))
    post("message: model in capitals", 200, message(model=ALLOWED_MODEL.upper()))
    post("count", 200, message(), "/v1/messages/count_tokens")
    post("count: model not allowed", 400, message(model=DENIED_MODEL), "/v1/messages/count_tokens")
    talk.ask("message by GET", 404, "GET", "/v1/messages", headers=headers)
    post("batches", 404, {"requests": []}, "/v1/messages/batches")
    talk.ask("files", 404, "GET", "/v1/files", headers=headers)


def malformed_inference(talk: Conversation, bearer: dict[str, str]) -> None:
    headers = bearer | {"anthropic-version": "2023-06-01", "content-type": "application/json"}

    def post(name: str, status: int, body: bytes, **more):
        talk.ask(name, status, "POST", "/v1/messages", body=body, headers=headers, **more)

    post("message: not JSON", 400, b'{"model":')
    post("message: empty body", 400, b"")
    post("message: a list", 400, b"[]")
    post("message: no model", 400, b'{"messages":[]}')
    post("message: model is a number", 400, b'{"model":5,"messages":[]}')
    post("message: not UTF-8", 400, b'{"model":"\xff\xfe"}')
    post("message: deep nesting", 400, b"[" * 20_000 + b"]" * 20_000)
    post("message: without a length", 411, json.dumps(message()).encode(), chunked=True)
    post("message: too large", 413, b" " * OVER_THE_LIMIT_BYTES)


def telemetry(talk: Conversation, bearer: dict[str, str]) -> None:
    for signal in ("metrics", "logs", "traces"):
        headers = bearer | {"content-type": "application/x-protobuf"}
        talk.ask(f"{signal} as protobuf", 200, "POST", f"/v1/{signal}", body=b"", headers=headers)
    talk.ask("metrics as JSON", 200, "POST", "/v1/metrics", document={"resourceMetrics": []}, headers=bearer)
    talk.ask("metrics without a credential", 401, "POST", "/v1/metrics", document={"resourceMetrics": []})


def unknown(talk: Conversation, bearer: dict[str, str]) -> None:
    talk.ask("unknown path", 401, "GET", "/v1/nothing")
    talk.ask("unknown path, signed in", 404, "GET", "/v1/nothing", headers=bearer)
    talk.ask("unknown method, signed in", 200, "DELETE", "/managed/settings", headers=bearer)
    talk.ask("hello, signed in", 404, "HEAD", "/api/hello", headers=bearer)


def spend_limits(talk: Conversation, bearer: dict[str, str]) -> None:
    path, key = "/v1/organizations/spend_limits", {"x-api-key": talk.admin_key}
    person = {"type": "user", "user_id": "someone"}

    def post(name: str, status: int, document, headers=key) -> Answer:
        return talk.ask(f"spend limit: {name}", status, "POST", path, document=document, headers=headers)

    made = post("create", 200, {"scope": person, "amount": "5000", "period": "monthly"})
    one = f"{path}/{made.json.get('id', 'spl_0')}"
    post("change", 200, {"scope": person, "amount": "6000", "period": "monthly"})
    post("for everyone", 200, {"scope": {"type": "organization"}, "amount": "900000", "period": "daily"})
    post("unknown period", 400, {"scope": person, "amount": "1", "period": "yearly"})
    post("amount is a number", 400, {"scope": person, "amount": 1})
    post("amount below zero", 400, {"scope": person, "amount": "-1"})
    post("no scope", 400, {"amount": "1"})
    post("not an object", 400, [])
    post("without a key", 401, {"scope": person, "amount": "1"}, {})
    post("with an unknown key", 401, {"scope": person, "amount": "1"}, {"x-api-key": "unknown"})
    post("as a person", 401, {"scope": person, "amount": "1"}, bearer)
    talk.ask("spend limit: list", 200, "GET", path, headers=key)
    talk.ask("spend limit: list of one scope", 200, "GET", f"{path}?scope_type=user&limit=1", headers=key)
    talk.ask("spend limit: read", 200, "GET", one, headers=key)
    talk.ask("spend limit: effective", 200, "GET", f"{path}/effective", headers=key)
    one_person = f"{path}/effective?user_ids[]={talk.person_id}"
    talk.ask("spend limit: effective of one person", 200, "GET", one_person, headers=key)
    talk.ask("spend limit: audit", 200, "GET", f"{path}/audit", headers=key)
    talk.ask("spend limit: delete", 200, "DELETE", one, headers=key)
    talk.ask("spend limit: delete again", 404, "DELETE", one, headers=key)
    talk.ask("spend limit: read what is gone", 404, "GET", one, headers=key)


def message(**changes) -> dict:
    return {
        "model": ALLOWED_MODEL,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "hello"}],
    } | changes
