"""What can be compared of two answers: status, headers that mean something to a client, and the form of the body.

Texts for people, ids, times and counts may differ freely; names, types and words that programs read may not.
"""

import json
import re

from actors.plain_http import Answer

# compared by value
HEADERS_BY_VALUE = {
    "allow",
    "cache-control",
    "content-security-policy",
    "content-type",
    "location",
    "referrer-policy",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-should-retry",
}
# compared by presence, because their value is new each time
HEADERS_BY_PRESENCE = {"etag", "request-id", "retry-after", "x-request-id", "x-cc-gateway-version"}
HEADER_FAMILIES = ("anthropic-", "access-control-")
# words that programs read: compared by value wherever they stand
WORDS = {
    "action",
    "code",
    "error",
    "expires_in",
    "gateway_protocol_version",
    "grant_types_supported",
    "group",
    "inferenceCredentialKind",
    "inferenceProvider",
    "interval",
    "kind",
    "period",
    "response_types_supported",
    "role",
    "scope",
    "scopes_supported",
    "source",
    "stop_reason",
    "token_endpoint_auth_methods_supported",
    "token_type",
    "type",
}


def shape(answer: Answer) -> dict[str, str]:
    """Every comparable fact of an answer under its name."""
    facts = {"status": str(answer.status)}
    for name, value in answer.headers.items():
        if name in HEADERS_BY_VALUE:
            facts[f"header {name}"] = _plain(name, value)
        elif name in HEADERS_BY_PRESENCE or name.startswith(HEADER_FAMILIES):
            facts[f"header {name}"] = "present"
    return facts | dict(_body(answer))


def differences(reference: Answer, ours: Answer) -> dict[str, tuple[str, str]]:
    """Fact -> (of the reference, ours), for every fact that differs; `absent` where one has none."""
    theirs, own = shape(reference), shape(ours)
    return {
        fact: (theirs.get(fact, "absent"), own.get(fact, "absent"))
        for fact in sorted(theirs.keys() | own.keys())
        if theirs.get(fact) != own.get(fact)
    }


def _body(answer: Answer):
    if not answer.body:
        yield "body", "empty"
    elif answer.content_type == "application/json":
        try:
            document = answer.json
        except json.JSONDecodeError:
            yield "body", "not JSON"
        else:
            yield from _document("body", document)
    elif answer.content_type == "text/event-stream":
        yield "body", "events " + " ".join(_without_repeats(name for name, _ in answer.events() if name != "ping"))
    else:
        yield "body", "text" if answer.content_type.startswith("text/") else answer.content_type


def _document(path: str, value):
    key = path.rsplit(".", 1)[-1]
    if key in WORDS and not isinstance(value, (dict, list)):
        yield path, json.dumps(value)
    elif key in WORDS and isinstance(value, list):
        yield path, " ".join(sorted(map(str, value))) or "empty list"
    elif isinstance(value, dict):
        if not value:
            yield path, "empty object"
        for name, inner in value.items():
            yield from _document(f"{path}.{name}", inner)
    elif isinstance(value, list):
        if not value:
            yield path, "empty list"
        for inner in value[:1]:
            yield from _document(f"{path}[]", inner)
    else:
        yield path, _kind(value)


def _kind(value) -> str:
    return {bool: "boolean", int: "number", float: "number", str: "text", type(None): "null"}[type(value)]


def _plain(name: str, value: str) -> str:
    """A value without what differs from run to run, a media type without its parameters."""
    if name == "content-type":
        return value.split(";")[0].strip()
    value = re.sub(r"https?://127\.0\.0\.1:\d+", "<address>", value)
    return re.sub(r"'(nonce|sha256)-[^']+'", r"'\1-…'", value)


def _without_repeats(names):
    kept = []
    for name in names:
        if not kept or kept[-1] != name:
            kept.append(name)
    return kept
