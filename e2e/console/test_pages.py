"""Every page of the console, as each role sees it: nothing for axe to find, nothing that runs over the edge, nothing its content policy
forbids, nothing heavy; and a picture of each to look at.
"""

import pytest

from actors import crawl
from actors.chromium import NARROW, WIDE, Window

ROLES = ("owner", "auditor", "staff")
WEIGHT_MAX_BYTES = 150_000


@pytest.mark.parametrize("role", ROLES)
def test_every_page_is_sound_and_axe_finds_nothing(role, visits, pages, axe):
    found = []
    # the owner sees every order and filter of each list, the others each list
    for window, address in visits(role, pages(role) if role == "owner" else crawl.plain(pages(role))):
        answer = window.open(address)
        assert answer.status == 200, f"{address} is {answer.status}"
        found += axe(window) + window.wrong
        found += [f"{address}: {breach}" for breach in window.breaches()]
        weight = sum(window.bytes_by_address.values())
        if weight > WEIGHT_MAX_BYTES:
            found.append(f"{address} weighs {weight} bytes: {window.bytes_by_address}")
        found += _over_the_edge(window)
    assert not found, "\n".join(found)


# what says no: addresses that lead nowhere, or where somebody may not look, with the status that says so
REFUSED = {
    "owner": [
        ("/console/nothing", 404),
        ("/me/nothing", 404),
        ("/console/people/per_00000000000000000000000000", 404),
        ("/approvals/apr_00000000000000000000000000", 404),
        ("/console/ledger?who=nobody-of-that-name", 200),
        ("/console/ledger?after=nonsense", 400),
        ("/console/policy/versions/999999", 404),
        ("/console/policy/apply", 200),
    ],
    "staff": [("/console/policy", 403), ("/console/people", 403)],
    "nobody": [
        ("/device?user_code=WRNG-CODE", 404),
        ("/oauth/authorize", 400),
        ("/oauth/callback?state=nonsense&code=nonsense", 400),
        ("/oauth/callback?error=access_denied&state=nonsense", 400),
    ],
}


@pytest.mark.parametrize("role", REFUSED)
def test_a_page_that_says_no_is_sound(role, window, newly_signed_in, axe):
    alone = window() if role == "nobody" else newly_signed_in(role)
    found = []
    for address, status in REFUSED[role]:
        answer = alone.open(address)
        if answer.status != status:
            found.append(f"{address} is {answer.status}")
        found += axe(alone)
        found += [f"{address}: {breach}" for breach in alone.breaches()]
    assert not found, "\n".join(found)


def test_a_form_that_was_filled_wrong_is_sound(visits, pages, axe):
    """Every form that asks for something is sent without it: what comes back names the mistake beside the field. What the browser itself
    does not send it names itself."""
    found, sent = [], 0
    for window, address in visits("owner", (at for at, source in pages("owner").items() if source.demands)):
        window.open(address)
        form = window.page.locator("main form[method=post][novalidate]:has([required])").first
        if not form.count() or not form.evaluate("it => [...it.querySelectorAll('input[required], textarea[required]')].some(one => !one.value)"):
            continue
        sent += 1
        with window.page.expect_navigation() as navigation:
            form.locator("button.main").first.click()
        status = navigation.value.status
        if status != 422 or not window.page.locator("[aria-invalid=true]").count():
            found.append(f"{address} answers {status}, with no mistake beside a field")
        found += axe(window)
    assert sent > 10, f"only {sent} forms were sent"
    assert not found, "\n".join(found)


def test_pages_with_nothing_on_them_are_sound(browser, own_demo, axe):
    found = []
    for login in ("grace", "ada"):
        window = Window.of(browser, own_demo.base).sign_in(login)
        for address in crawl.pages(window):
            answer = window.open(address)
            assert answer.status == 200, f"{address} is {answer.status}"
            found += [f"{login}: {line}" for line in axe(window) + window.wrong]
        window.close()
    assert not found, "\n".join(found)


def _over_the_edge(window: Window) -> list[str]:
    """What makes the page wider than a narrow window."""
    window.page.set_viewport_size(NARROW)
    width, over = window.page.evaluate(
        """edge => [document.documentElement.scrollWidth, [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > edge && !one.closest(".table")).slice(0, 3).map(one => one.outerHTML.slice(0, 120))]""",
        NARROW["width"],
    )
    window.page.set_viewport_size(WIDE)
    return [f"{window.path()} is {width} px wide: {over}"] if width > NARROW["width"] else []


@pytest.mark.parametrize("role", ROLES)
def test_a_picture_of_every_page_is_kept(role, visits, pages, artefacts):
    for window, address in visits(role, crawl.plain(pages(role))):
        if role != "owner" and address in pages("owner") and not address.startswith(("/me", "/acceptable")):
            continue
        window.open(address)
        for scheme in ("light", "dark"):
            window.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for size in (NARROW, WIDE):
                window.page.set_viewport_size(size)
                file = artefacts / f"{role}-{crawl.name(address)}-{size['width']}-{scheme}.png"
                window.page.screenshot(path=file, full_page=True)
                assert file.stat().st_size > 0
    print(f"pictures in {artefacts}")
