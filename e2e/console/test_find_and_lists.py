"""Finding, choosing and arranging, as people do it: by keys alone, and with scripts off."""

import re

import pytest

from actors.chromium import NARROW

PALETTE = "dialog.palette"


def in_palette(window, text: str):
    """Types into the open palette and waits until its answer is there."""
    window.page.locator(f"{PALETTE} input").fill(text)
    window.page.wait_for_function("() => /found/.test(document.querySelector('dialog.palette footer').textContent)")
    window.page.wait_for_function("() => document.querySelector('dialog.palette [role=option]')")


def chosen(window) -> str:
    """What the palette would go to."""
    id = window.page.locator(f"{PALETTE} input").get_attribute("aria-activedescendant")
    return window.page.locator(f"#{id}").inner_text()


def test_somebody_is_found_by_keys_alone(signed_in, axe):
    window = signed_in("owner")
    window.open("/console/sessions")
    window.page.keyboard.press("Control+k")
    in_palette(window, "ada@")
    assert window.page.locator(f"{PALETTE} input").get_attribute("role") == "combobox"
    assert "Ada" in chosen(window)
    assert not axe(window) and not window.breaches() and not window.wrong
    window.page.keyboard.press("ArrowDown")
    assert "Records of" in chosen(window)
    window.page.keyboard.press("ArrowUp")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url(re.compile("/console/people/per_"))
    window.page.keyboard.press("/")
    window.page.wait_for_selector(PALETTE)
    window.page.keyboard.press("Escape")
    assert not window.page.locator(PALETTE).is_visible()


def test_an_answer_that_is_late_leads_nowhere_else(signed_in):
    window = signed_in("owner")
    window.open("/console")
    window.page.keyboard.press("/")
    in_palette(window, "ada@")
    # typed and entered at once, before there is an answer: the page of what was typed, never where the last answer led
    window.page.locator(f"{PALETTE} input").fill("budget")
    window.page.keyboard.press("Enter")
    window.page.wait_for_url(re.compile(r"/console/find\?q=budget"))
    assert "budget_spent" in window.text()


def test_single_keys_go_to_places_and_can_be_turned_off(signed_in):
    window = signed_in("owner")
    window.open("/console")
    window.page.keyboard.press("g")
    window.page.keyboard.press("l")
    window.page.wait_for_url(re.compile("/console/ledger"))
    window.page.keyboard.press("?")
    assert window.page.locator("#shortcuts").is_visible()
    window.page.get_by_label("Single keys work").uncheck()
    window.page.keyboard.press("Escape")
    for page in (window.page, window.context.new_page()):
        page.goto(f"{window.base}/console/people")
        page.keyboard.press("/")
        page.keyboard.press("g")
        page.keyboard.press("l")
        assert not page.locator(PALETTE).is_visible() and page.url.endswith("/console/people")
        page.keyboard.press("Control+k")
        page.wait_for_selector(PALETTE)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_columns_and_order_are_chosen_and_stay(scripts, signed_in):
    window = signed_in("owner", scripts=scripts)
    window.open("/console/people?q=northwind")
    window.page.locator("summary", has_text="Columns").click()
    window.page.get_by_label("Our id").check()
    window.page.get_by_label("Groups").uncheck()
    window.press("Show these")
    window.page.locator("thead th", has_text="Our id").wait_for()
    heads = window.page.locator("thead th").all_inner_texts()
    assert "Our id" in heads and "Groups" not in heads, heads
    window.press("First seen", role="link")
    assert window.page.locator("th[aria-sort=descending]").inner_text().startswith("First seen")
    for part in ("q=northwind", "columns=", "sort=-seen"):
        assert part in window.path(), window.path()
    window.page.locator("summary", has_text="Columns").click()
    window.press("The usual", role="link")
    assert "columns=" not in window.path() and "sort=-seen" in window.path()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_sessions_are_chosen_and_ended_together(scripts, newly_signed_in):
    doomed = [newly_signed_in("staff") for _ in range(2)]
    window = newly_signed_in("owner", scripts=scripts)
    window.open("/console/sessions?sort=-since")
    boxes = window.page.get_by_label(re.compile("^Choose .* of Ada"))
    for place in range(2):
        boxes.nth(place).focus()
        window.page.keyboard.press("Space")
    if scripts:
        assert "2 of" in window.page.locator("[data-chosen]").inner_text()
    window.press("End the chosen")
    assert "End 2 sessions" in window.text() and window.text().count("Ada") == 2, window.text()
    window.page.get_by_label("Reason", exact=True).fill("a test")
    window.press("End 2 sessions")
    assert "2 sessions were ended." in window.text()
    for gone in doomed:
        gone.open("/me")
        assert "/console/sign-in" in gone.path()


def test_nothing_chosen_is_said(signed_in):
    window = signed_in("owner", scripts=False)
    window.open("/console/sessions")
    window.press("End the chosen")
    assert "Nothing was chosen." in window.text()


def test_finding_works_without_scripts_and_on_a_narrow_page(signed_in):
    window = signed_in("owner", scripts=False, size=NARROW)
    window.open("/console")
    window.page.get_by_role("searchbox", name="Find").fill("ada@")
    window.page.keyboard.press("Enter")
    window.press("Ada", role="link")
    assert "/console/people/per_" in window.path()


def test_ages_stay_true_while_a_page_is_open(signed_in):
    window = signed_in("owner")
    window.page.clock.install()
    window.open("/console/sessions?sort=-since")
    age = window.page.locator("time[data-age]").first
    assert re.fullmatch(r"(\d+ (s|min|h|days?) ?)+ago", age.inner_text()), age.inner_text()
    window.page.clock.fast_forward("30:00:00")
    assert age.inner_text() == "1 day ago", age.inner_text()


def test_paper_shows_the_report_and_nothing_around_it(signed_in):
    window = signed_in("owner", scheme="dark")
    window.open("/console/ledger?kind=all")
    window.page.emulate_media(media="print")
    for gone in (".side", ".top", ".filters", ".copy"):
        assert all(not one.is_visible() for one in window.page.locator(gone).all()), gone
    assert "/console/ledger?kind=all" in window.page.locator(".paper").inner_text()
    colours = window.page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.panel')).backgroundColor]")
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"], colours
