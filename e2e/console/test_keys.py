"""Somebody's own API key at a connector, in Chromium: brought by keyboard, refused where it is none, replaced, and taken back, with and without
scripts. What was brought is on no page afterwards.
"""

import pytest

from actors.chromium import NARROW, WIDE, Window
from actors.doorward import Doorward
from policies import POLICY

RULES = """
[[connector]]
name = "tracker"
title = "Issue tracker"
url = "https://tracker.example/mcp"
definitions = "warn"
credential = "api-key"
header = "Authorization"
scheme = "Bearer"

[[action]]
name = "Reading issues"
who = { groups = ["engineering"] }
connector = "tracker"
classes = ["read"]
state = "allow"
"""
PLACE = "/connect/tracker"
LOOKS = [(size, scheme) for size in (WIDE, NARROW) for scheme in ("light", "dark")]
KEYS = ["ada-key-4711", "ada-key-4712"]


@pytest.fixture(scope="module")
def company(programs, own_fakes, tmp_path_factory):
    """Doorward with a connector that wants each person's own key."""
    with Doorward(programs / "doorward", tmp_path_factory.mktemp("keys"), own_fakes, POLICY + RULES) as doorward:
        yield doorward


def looks(window: Window, axe, artefacts, name: str) -> None:
    page = window.page
    for size, scheme in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {size['width']}"
        page.screenshot(path=artefacts / f"keys-{name}-{size['width']}-{scheme}.png", full_page=True)
    page.set_viewport_size(WIDE)
    assert axe(window) == []
    assert window.breaches() == []


def brings(window: Window, key: str, label: str) -> None:
    field = window.page.get_by_label(label, exact=True)
    assert field.get_attribute("type") == "password" and field.get_attribute("autocomplete") == "off"
    field.focus()
    window.page.keyboard.type(key)
    window.page.keyboard.press("Enter")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_somebody_brings_a_key_replaces_it_and_takes_it_back(company, browser, axe, artefacts, scripts):
    window = Window.of(browser, company.base, scripts=scripts).sign_in("ada")
    window.open("/me")
    assert "Issue tracker" in window.text() and "no key" in window.text()
    window.press("Issue tracker", role="link")
    assert window.path() == PLACE
    assert all(word in window.text() for word in ("https://tracker.example/mcp", "Authorization: Bearer", "Nobody is shown it again"))
    if scripts:
        looks(window, axe, artefacts, "none")
    brings(window, "two words", "The key")
    window.page.get_by_text("It must be 1 to 4096").wait_for()
    assert "two words" not in window.page.content()
    if scripts:
        looks(window, axe, artefacts, "refused")
    brings(window, KEYS[0], "The key")
    window.page.get_by_text("Your key is kept.").wait_for()
    if scripts:
        looks(window, axe, artefacts, "kept")
    brings(window, KEYS[1], "The key that takes its place")
    window.page.get_by_text("Your key is kept.").wait_for()
    for place in (PLACE, "/connect", "/me"):
        window.open(place)
        assert not any(key in window.page.content() for key in KEYS)
    window.open(PLACE)
    window.press("Disconnect")
    window.page.get_by_text("It is disconnected, and nothing of it is kept here.").wait_for()
    assert "no key" in window.text()
