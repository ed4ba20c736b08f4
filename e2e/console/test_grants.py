"""Somebody's own account at a connector, in Chromium and from a client of the protocol: connected, found to cover too little, connected anew,
used, lost there, connected once more, taken back. The connector and its authorization server are testkit's.
"""

import pytest

from actors import device_sign_in
from actors.chromium import NARROW, WIDE, Window
from actors.doorward import Doorward
from actors.guarded import MORE, Guarded
from actors.mcp import tool_called
from policies import POLICY

RULES = """
[[connector]]
name = "expenses"
title = "Expense reports"
url = "{url}"
definitions = "warn"
credential = "grant"

[[action]]
name = "Reading expenses"
who = {{ groups = ["engineering"] }}
connector = "expenses"
actions = ["get_item"]
state = "allow"
"""
PLACE = "/connect/expenses"
LOOKS = [(size, scheme) for size in (WIDE, NARROW) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def behind(programs):
    behind = Guarded(programs / "examples/guarded")
    yield behind
    behind.close()


@pytest.fixture(scope="module")
def company(programs, own_fakes, behind, tmp_path_factory):
    """Doorward with a connector that wants each person's own account."""
    policy = POLICY + RULES.format(url=behind.url)
    with Doorward(programs / "doorward", tmp_path_factory.mktemp("grants"), own_fakes, policy) as doorward:
        yield doorward


class Ada:
    """In her browser, and with her client."""

    def __init__(self, company: Doorward, browser, axe, artefacts):
        self._company, self._axe, self._artefacts = company, axe, artefacts
        self.window = Window.of(browser, company.base).sign_in("ada")
        self.window.open("/me")
        self._token = device_sign_in.sign_in(company.base, "ada").access_token

    def calls(self) -> dict:
        return tool_called(f"{self._company.base}/mcp/expenses", self._token, "get_item")["result"]

    def is_told(self, words: str) -> None:
        """A call is not made, and her model reads where she goes."""
        result = self.calls()
        assert result["isError"] is True, result
        assert f"{words}: {self._company.base}{PLACE} ," in result["content"][0]["text"], result

    def reads(self, *words: str) -> None:
        text = self.window.text()
        assert all(word in text for word in words), text

    def looks(self, name: str) -> None:
        """At the page as it is now, in every light and width; nothing is wrong with it, and pictures are left."""
        page = self.window.page
        for size, scheme in LOOKS:
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {size['width']}"
            page.screenshot(path=self._artefacts / f"grants-{name}-{size['width']}-{scheme}.png", full_page=True)
        page.set_viewport_size(WIDE)
        assert self._axe(self.window) == []
        assert self.window.wrong == [] and self.window.breaches() == []

    def connects(self, button: str) -> None:
        self.window.open(PLACE)
        self.window.press(button)
        self.window.page.get_by_text("Go on only if you know this address").wait_for()
        if button == "Connect":
            self.looks("go-on")
        self.window.press("Go on at 127.0.0.1", role="link")
        self.window.page.get_by_text("It is connected.").wait_for()


def test_somebody_connects_their_account_uses_it_and_takes_it_back(company, behind, browser, axe, artefacts):
    ada = Ada(company, browser, axe, artefacts)
    ada.reads("Expense reports", "not connected")
    ada.looks("own-page")
    ada.is_told("Connect here")
    ada.window.press("Expense reports", role="link")
    assert ada.window.path() == PLACE
    ada.looks("not-connected")
    assert behind.called() == []

    ada.connects("Connect")
    ada.looks("connected")

    ada.is_told("Allow it here")
    assert behind.called() == []
    ada.window.open(PLACE)
    ada.reads("wants more", MORE)
    ada.looks("wants-more")
    ada.connects("Connect anew")
    ada.reads(MORE)
    assert "wants more" not in ada.window.text()
    assert ada.calls().get("isError") is not True
    assert behind.called() == ["get_item"]
    ada.window.open("/connect")
    ada.looks("all")

    behind.forget()
    ada.is_told("Reconnect here")
    ada.window.open(PLACE)
    ada.reads("no longer accepted", "Refused since")
    ada.looks("dead")
    ada.connects("Connect anew")
    assert ada.calls().get("isError") is not True
    assert behind.called() == ["get_item", "get_item"]

    ada.window.press("Disconnect")
    ada.window.page.get_by_text("It is disconnected, and nothing of it is kept here.").wait_for()
    ada.looks("disconnected")
    ada.is_told("Connect here")
    assert behind.called() == ["get_item", "get_item"]


def test_an_administrator_sees_who_is_connected_and_ends_it(company, behind, browser, axe, artefacts):
    ada = Ada(company, browser, axe, artefacts)
    ada.connects("Connect")
    ada.is_told("Allow it here")
    company.command("role", "grant", "admin", "--person", "ada@northwind.example", "--reason", "tests")
    ada.window.open("/console/connectors/expenses")
    ada.reads("Who is connected", "asked for more", MORE)
    ada.looks("who-is-connected")
    ada.window.page.get_by_role("link", name="End the connection of").click()
    ada.window.page.get_by_text("What they gave there is wiped here").first.wait_for()
    ada.reads("What they gave there is wiped here")
    ada.looks("ending")
    ada.window.page.get_by_label("Reason").fill("the laptop was lost")
    ada.window.press("End the connection")
    ada.window.page.get_by_text("A connection that is ended opens nothing").first.wait_for()
    ada.reads("A connection that is ended opens nothing", "Nobody from here on.")
    ada.is_told("Connect here")
    ada.connects("Connect")
    ada.window.open("/console/people?q=ada@northwind.example")
    ada.window.page.get_by_role("link", name="Ada Lovelace").click()
    ada.window.page.get_by_text("Their own accounts at connectors").first.wait_for()
    ada.reads("Their own accounts at connectors")
    ada.looks("a-person-who-is-connected")
    ada.window.page.get_by_role("link", name="End the connection to").click()
    ada.window.page.get_by_label("Reason").fill("the end of the test")
    ada.window.press("End the connection")
    assert "Their own accounts at connectors" not in ada.window.text()


def test_who_was_not_let_in_there_reads_so_and_no_code_stands_on_the_page(company, browser, axe, artefacts):
    ada = Ada(company, browser, axe, artefacts)
    ada.window.open("/connect/callback?code=c0de-of-somebody&state=st4te&iss=https%3A%2F%2Flogin.example")
    # the browser's console speaks of every answer with such a status
    ada.window.wrong.clear()
    ada.reads("Nothing was begun in this browser", "Begin once more", "See how it stands")
    source = ada.window.page.content()
    assert "c0de" not in source and "st4te" not in source
    ada.looks("not-begun")
