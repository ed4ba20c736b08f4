"""The device grant as a program speaks it, with a person at the mini browser. For tests that need a session, not a client."""

import dataclasses

from . import plain_http
from .claude_code import approve

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclasses.dataclass
class Session:
    access_token: str
    refresh_token: str | None
    answer: plain_http.Answer

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.access_token}"}


def sign_in(base: str, login: str) -> Session:
    """Signs the person in and returns their session; pending answers do not occur, because the person is done first."""
    started = plain_http.send(base, "POST", "/oauth/device_authorization", form={"surface": "claude_code"})
    assert started.status == 200, started
    page = approve(started.json["verification_uri"], started.json["user_code"], login)
    answer = redeem(base, started.json["device_code"])
    assert answer.status == 200, (answer, page.url, page.text)
    return session_from(answer)


def redeem(base: str, device_code: str) -> plain_http.Answer:
    return plain_http.send(base, "POST", "/oauth/token", form={"grant_type": GRANT, "device_code": device_code})


def refresh(base: str, refresh_token: str) -> plain_http.Answer:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return plain_http.send(base, "POST", "/oauth/token", form=fields)


def session_from(answer: plain_http.Answer) -> Session:
    assert answer.status == 200, answer
    return Session(answer.json["access_token"], answer.json.get("refresh_token"), answer)
