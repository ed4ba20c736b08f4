"""The instruments themselves: what counts requests counts them all, what compares answers sees what differs."""

import pytest

from actors.browser import Browser, Page
from actors.plain_http import Answer
from actors.recorder import _Heads
from differential import shape

REQUESTS = (
    b"POST /v1/messages?beta=true HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /"
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /v1/logs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    b"HEAD /api/hello HTTP/1.1\r\n\r\n"
)


@pytest.mark.parametrize("step", [1, 3, 7, len(REQUESTS)])
def test_every_request_of_a_connection_is_noted_however_its_bytes_come(step):
    seen = []
    heads = _Heads(lambda request: seen.append(str(request)))
    for start in range(0, len(REQUESTS), step):
        heads.feed(REQUESTS[start : start + step])
    assert seen == ["POST /v1/messages?beta=true", "GET /healthz", "POST /v1/logs", "HEAD /api/hello"]


def answer(status=200, body=b"", **headers) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_texts_for_people_may_differ_and_words_for_programs_may_not():
    theirs = answer(400, b'{"type":"error","error":{"type":"a","message":"one"}}', content_type="application/json")
    ours = answer(400, b'{"type":"error","error":{"type":"b","message":"two"}}', content_type="application/json")
    assert shape.differences(theirs, ours) == {"body.error.type": ('"a"', '"b"')}


def test_a_member_that_one_side_lacks_is_a_difference():
    theirs = answer(200, b'{"email":"x"}', content_type="application/json; charset=utf-8")
    ours = answer(200, b"{}", content_type="application/json")
    assert shape.differences(theirs, ours) == {
        "body": ("absent", "empty object"),
        "body.email": ("text", "absent"),
    }


def test_streams_are_compared_by_their_events_without_pings():
    theirs = answer(200, b"event: a\ndata: {}\n\nevent: ping\ndata: {}\n\n", content_type="text/event-stream")
    ours = answer(200, b"event: a\ndata: 1\n\nevent: a\ndata: 2\n\n", content_type="text/event-stream")
    assert shape.differences(theirs, ours) == {}


def test_a_page_is_read_as_a_person_sees_it():
    source = (
        '<form method="post" action="/device"><input type="checkbox" name="accept" value="v3" required>'
        '<input type="hidden" name="user_code" value="BCDF-GHJK"><button>This is <b>me</b></button>'
        '<button formaction="/device/deny" formnovalidate>Deny</button></form>'
    )
    page = Page(Browser(), "http://127.0.0.1/device", 200, {}, source)
    (form,) = page.forms
    assert form.fields == {"accept": "v3", "user_code": "BCDF-GHJK"}
    assert [(button.label, button.action) for button in form.buttons] == [
        ("This is me", None),
        ("Deny", "/device/deny"),
    ]
