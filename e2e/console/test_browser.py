"""What only a real browser can get wrong: what it keeps after a sign-out, two tabs, a proof that is too old, connections that are slow or
cut, other sites that frame, post or lead.
"""

import http.server
import re
import threading

import pytest

from actors.chromium import Window
from actors.demo import Demo


def is_at_the_sign_in(window) -> bool:
    return window.path().startswith("/console/sign-in") or "signed out" in window.text()


def test_back_after_signing_out_shows_nothing(newly_signed_in):
    window = newly_signed_in("owner")
    window.open("/console/people")
    secret = window.page.locator("th a.row").first.inner_text()
    window.page.locator("summary[aria-label^='You:']").click()
    window.press("Sign out")
    window.page.get_by_text("You are signed out").first.wait_for()
    window.page.go_back(wait_until="load")
    assert secret not in window.text(), window.text()
    window.page.go_back(wait_until="load")
    assert secret not in window.text(), window.text()


def test_the_other_tab_is_signed_out_too_and_leads_back(newly_signed_in):
    window = newly_signed_in("owner")
    other = window.context.new_page()
    other.goto(f"{window.base}/console/sessions")
    window.page.locator("summary[aria-label^='You:']").click()
    window.press("Sign out")
    other.get_by_role("link", name="People").first.click()
    other.wait_for_url(re.compile(r"/console/sign-in\?return=.*people"))


def test_a_form_of_a_tab_from_before_a_new_sign_in_does_nothing(newly_signed_in):
    window = newly_signed_in("owner")
    old = window.context.new_page()
    old.goto(f"{window.base}/console/people?q=priya")
    old.locator("th a.row").first.click()
    old.get_by_role("link", name="Shut out").click()
    old.locator("#main").get_by_label("Reason", exact=True).fill("From before")
    window.sign_in("grace", "/console/sign-in")
    old.get_by_role("button", name="Shut them out").click()
    old.goto(f"{window.base}/console/people?q=priya")
    old.locator("th a.row").first.click()
    assert old.get_by_role("link", name="Shut out").count() == 1


def test_what_is_typed_is_kept_and_the_mistake_stands_beside_it(newly_signed_in):
    window = newly_signed_in("owner")
    window.open("/console/people?q=ewa")
    window.page.locator("th a.row").first.click()
    window.page.get_by_role("link", name="Shut out").click()
    field = window.field("Reason")
    field.fill("x" * 600)
    window.page.evaluate("document.querySelectorAll('[maxlength]').forEach(it => it.removeAttribute('maxlength'))")
    field.fill("x" * 600)
    window.press("Shut them out")
    field = window.field("Reason")
    assert field.input_value() == "x" * 600
    assert field.get_attribute("aria-invalid") == "true"


@pytest.fixture
def elsewhere():
    """Another site: it answers every path with the page that a test gives it."""
    pages: dict[str, str] = {}

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # another name than the product's, so that it is another site to the browser
    yield f"http://localhost:{server.server_port}", pages
    server.shutdown()


def test_nobody_frames_a_page(signed_in, elsewhere):
    base, pages = elsewhere
    window = signed_in("owner")
    pages["/"] = f'<iframe src="{window.base}/console/people"></iframe>'
    window.page.goto(base)
    framed = window.page.frames[-1]
    assert "People" not in framed.evaluate("document.body ? document.body.innerText : ''")
    assert any("frame" in line.lower() for line in window.wrong), window.wrong


def test_a_form_of_another_site_changes_nothing(signed_in, elsewhere):
    base, pages = elsewhere
    window = signed_in("owner")
    pages["/"] = (
        f'<form method="post" action="{window.base}/console/sessions/everyone/end">'
        '<input name="csrf" value="guessed"><input name="reason" value="x"><button>Go</button></form>'
    )
    window.page.goto(base)
    window.press("Go")
    window.page.wait_for_load_state()
    window.open("/console")
    assert window.path() == "/console", "they are signed out"


@pytest.mark.parametrize(
    "way_back",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "/console/..//evil.example", "javascript:alert(1)"],
)
def test_a_sign_in_leads_nowhere_else(way_back, window):
    alone = window()
    alone.page.goto(f"{alone.base}/console/sign-in?return={way_back}")
    alone.press("northwind")
    alone.page.locator('button[name="person"][value="grace"]').click()
    alone.page.wait_for_url(f"{alone.base}/**")
    assert alone.page.url.startswith((f"{alone.base}/console", f"{alone.base}/me")), alone.page.url


def test_a_page_says_nothing_of_a_host_that_only_the_request_names(window):
    """A browser cannot lie about its host, but what stands before the gateway can pass on what it was told."""
    alone = window()
    answer = alone.context.request.get(
        f"{alone.base}/console/sign-in", headers={"host": "evil.example", "x-forwarded-host": "evil.example"}
    )
    assert "evil.example" not in answer.text()
    assert "evil.example" not in str(answer.headers)


def test_a_slow_connection_still_shows_the_page_whole(signed_in):
    window = signed_in("owner")
    session = window.context.new_cdp_session(window.page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 20_000},
    )
    answer = window.open("/console/people")
    assert answer.status == 200 and not window.wrong, window.wrong
    assert "People" in window.text()


def test_a_cut_connection_loses_nothing_that_was_typed(newly_signed_in):
    window = newly_signed_in("owner")
    window.open("/console/people?q=lucia")
    window.page.locator("th a.row").first.click()
    window.page.get_by_role("link", name="Shut out").click()
    window.field("Reason").fill("The line was cut")
    window.context.set_offline(True)
    window.page.get_by_role("button", name="Shut them out").click(no_wait_after=True)
    window.page.wait_for_event("requestfailed") if not window.wrong else None
    window.context.set_offline(False)
    window.page.go_back(wait_until="load") if "chrome-error" in window.page.url else None
    window.open("/console/people?q=lucia")
    window.page.locator("th a.row").first.click()
    assert window.page.get_by_role("link", name="Shut out").count() == 1, "it was done although nothing arrived"


def test_the_demos_first_pages_are_where_its_logins_say(browser, demo: Demo):
    for login in demo.about["logins"]:
        window = Window.of(browser, demo.base)
        path = login["open"].removeprefix(demo.base)
        window.sign_in(login["name"], path)
        assert window.path() == path, login
        window.close()
