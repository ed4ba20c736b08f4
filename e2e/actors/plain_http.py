"""Plain HTTP/1.1 as it is on the wire: no retries, no redirects, no cookies. Used where the answer itself is examined."""

import contextlib
import dataclasses
import http.client
import json
import urllib.parse

TIMEOUT_SECONDS = 30


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip()

    def events(self) -> list[tuple[str, str]]:
        """Name and data of each server-sent event."""
        events = []
        for block in self.body.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in lines:
                events.append((lines.get("event", "message"), lines["data"]))
        return events


def send(
    base: str,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    form: dict[str, str] | None = None,
    document=None,
    chunked: bool = False,
) -> Answer:
    """One request: `form` and `document` (JSON) set body and content type; `chunked` sends the body without a length."""
    headers = dict(headers or {})
    if form is not None:
        body = urllib.parse.urlencode(form).encode()
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    if document is not None:
        body = json.dumps(document).encode()
        headers.setdefault("content-type", "application/json")
    parts = urllib.parse.urlsplit(base)
    connects = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connects(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        # a server may answer and close before it has read a body that it refuses
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if chunked:
                headers["transfer-encoding"] = "chunked"
                connection.request(method, path, iter([body]), headers, encode_chunked=True)
            else:
                connection.request(method, path, body, headers)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
