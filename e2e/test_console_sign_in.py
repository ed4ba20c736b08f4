"""Sign-in to the console at a certified OpenID provider: once, remembered, and once more as a new proof."""

import json

import pytest

from actors.browser import Browser, Page
from actors.doorward import Doorward
from actors.oidc_provider import OidcProvider, log_in
from policies import POLICY


@pytest.fixture
def company(programs, node_packages, shared_fakes, tmp_path):
    """Doorward in front of `oidc-provider`."""
    provider = OidcProvider(node_packages, shared_fakes)
    try:
        with Doorward(programs / "doorward", tmp_path, provider, POLICY) as doorward:
            yield doorward
    finally:
        provider.close()


def cookie(browser: Browser, base: str) -> str | None:
    return browser.cookie(base, "doorward_console")


def is_home(page: Page, base: str) -> bool:
    """The console's first page, or one's own for whoever has no role."""
    return page.status == 200 and page.url in (f"{base}/console", f"{base}/me")


def records(company: Doorward) -> list[dict]:
    """Sign-ins to the console, in order."""
    lines = (json.loads(line) for line in company.command("ledger", "export").splitlines())
    found = (line.get("record", line) for line in lines)
    return [one for one in found if one.get("method") == "console"]


def test_somebody_signs_in_and_proves_it_again_and_signs_out(company):
    base, browser = company.base, Browser()
    page = browser.open(f"{base}/console")
    assert page.url.startswith(f"{base}/console/sign-in"), page
    page = log_in(page.press("northwind"), "ada")
    assert is_home(page, base), page
    first = cookie(browser, base)
    assert first and len(first) == 43

    # the provider remembers ada: an ordinary sign-in asks her nothing
    again = browser.open(f"{base}/console/sign-in").press("northwind")
    assert is_home(again, base), again
    second = cookie(browser, base)
    assert second != first

    # a new proof does
    page = browser.open(f"{base}/console/sign-in?return=/console&again=1")
    assert "Prove that it is you" in page.text, page
    asked = page.press("northwind")
    assert "Sign-in" in [button.label for form in asked.forms for button in form.buttons], asked
    page = log_in(asked, "ada")
    assert is_home(page, base), page
    third = cookie(browser, base)
    assert third not in (first, second)

    # and believes nobody else
    page = browser.open(f"{base}/console/sign-in?return=/console&again=1")
    page = log_in(page.press("northwind"), "grace")
    assert page.status == 403 and "Somebody else" in page.text, page
    assert cookie(browser, base) == third

    page = browser.open(f"{base}/console").press("Sign out")
    assert "You are signed out" in page.text, page
    assert cookie(browser, base) is None
    assert browser.open(f"{base}/console").url.startswith(f"{base}/console/sign-in")

    sessions = [record.get("session") for record in records(company)]
    assert len(sessions) == 4 and sessions[1] == sessions[2] and sessions[3] is None, sessions
