"""A company's directory as HTTP sees it: requests to Doorward's SCIM endpoints with a directory token."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

MEDIA = "application/scim+json"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Answer:
    """A status, headers and, where there is one, a JSON body."""

    def __init__(self, status: int, headers, text: str, seconds: float):
        self.status, self.headers, self.text, self.seconds = status, headers, text, seconds

    @property
    def json(self):
        return json.loads(self.text)


class Directory:
    """The provisioning side of an identity provider."""

    def __init__(self, base: str, token: str):
        self.base, self.token = f"{base}/scim/v2", token

    def send(self, method: str, path: str, body=None, **headers) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("accept", MEDIA)
        if data is not None:
            request.add_header("content-type", MEDIA)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read().decode()
                return Answer(answer.status, answer.headers, text, time.monotonic() - began)
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.headers, refused.read().decode(), time.monotonic() - began)

    def get(self, path: str, **query) -> Answer:
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self.send("GET", path + asked)

    def post(self, path: str, body) -> Answer:
        return self.send("POST", path, body)

    def patch(self, path: str, *operations) -> Answer:
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
