"""Every task of `tasks`, by keyboard alone, and by mouse in a browser without scripts; and that every form of the product is in one of
them: which forms there are is asked of the product itself.
"""

import time
import urllib.parse

import pytest
from playwright.sync_api import Error

from actors import crawl
from actors.chromium import Window
from actors.forms import Forms
from actors.hands import Keyboard, Mouse

from .conftest import PROOF_SECONDS
from .tasks import TASKS

ROLES = ("owner", "auditor", "staff")
# Forms that no task sends, and why.
ELSEWHERE: dict[tuple[str, str], str] = {}

HANDS = [Keyboard, Mouse]


@pytest.fixture(scope="module")
def known():
    """The forms that were offered and sent, by who sent them."""
    return {hands: Forms() for hands in HANDS}


@pytest.fixture(scope="module")
def look(axe):
    """Looks at each page of a task once, in light and dark: many are reached by tasks alone."""
    seen, found = set(), []

    def at(window: Window) -> None:
        # what was pressed just now may still lead elsewhere: then it is the next page that is looked at
        for _ in range(3):
            try:
                return at_page(window)
            except Error as error:
                if "navigat" not in str(error) and "context" not in str(error):
                    raise
                window.page.wait_for_load_state()
        raise AssertionError(f"{window.path()} never rests")

    def at_page(window: Window) -> None:
        headings = tuple(window.page.locator("h1, h2").all_inner_texts())
        page = (crawl.kind(window.path()), headings, window.page.locator(".error").count())
        if page in seen or not window.page.url.startswith(window.base):
            return
        here = axe(window) + [f"{window.path()}: {breach}" for breach in window.breaches()]
        seen.add(page)
        found.extend(here)

    at.found = found
    at.seen = seen
    return at


@pytest.fixture(scope="module")
def sessions(browser, logins):
    """The cookies of a role's session at a demo whose proof is fresh; sign-ins from one address are limited."""
    kept = {}

    def of(demo, role):
        made, state = kept.get((demo.base, role), (0, None))
        if time.monotonic() - made > PROOF_SECONDS:
            window = Window.of(browser, demo.base).sign_in(logins[role])
            made, state = time.monotonic(), window.context.storage_state()
            window.close()
            kept[(demo.base, role)] = made, state
        return state

    return of


@pytest.fixture
def windows(browser, logins, sessions, known):
    """Opens the windows of a task's people."""
    opened = []

    def open_all(task, hands, demo) -> list[Window]:
        for role in task.roles:
            shares = role != "nobody" and not task.ends_session
            state = sessions(demo, role) if shares else None
            window = Window.of(browser, demo.base, scripts=hands is Keyboard, state=state)
            opened.append((hands, window))
            if role != "nobody" and not shares:
                window.sign_in(logins[role])
        return [window for _, window in opened]

    yield open_all
    for hands, window in opened:
        known[hands].add(window.forms)
        window.close()


@pytest.mark.parametrize("hands", HANDS, ids=[hands.name for hands in HANDS])
@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_a_task_is_done(task, hands, windows, look, request):
    demo = request.getfixturevalue("own_demo" if task.has_own_demo else "demo")
    opened = windows(task, hands, demo)
    if hands is Mouse:
        task.do(*(Mouse(window, demo) for window in opened))
        return
    task.do(*(Keyboard(window, demo, look) for window in opened))
    for window in opened:
        look(window)
        # the identity provider's page is not ours
        wrong = [line for line in window.wrong if line.startswith(window.base)]
        assert not wrong, wrong


def test_axe_finds_nothing_on_any_page_of_a_task(look):
    """Runs behind the tasks; alone it fails, because nothing was looked at."""
    assert not look.found, "\n".join(look.found)
    assert len(look.seen) > len(TASKS)


def test_every_form_is_in_a_task(known, pages):
    """Runs behind the tasks; alone it fails, because nothing was sent."""
    offered = Forms()
    for role in ROLES:
        for address, source in pages(role).items():
            offered.see(source.text, address)
    for hands, forms in known.items():
        offered.offered.update(forms.offered)
    for hands, forms in known.items():
        missing = {form: page for form, page in offered.offered.items() if form not in forms.sent | set(ELSEWHERE)}
        assert not missing, f"{hands.name}, no task sends {missing}"
    gone = set(ELSEWHERE) - set(offered.offered)
    assert not gone, f"no page offers {gone} any more"


def test_the_first_tab_skips_to_the_page(signed_in):
    window = signed_in("owner")
    window.open("/console/people")
    window.page.keyboard.press("Tab")
    assert "Skip to the page" in window.focused()
    window.page.keyboard.press("Enter")
    assert window.path() == "/console/people" and window.page.url.endswith("#main")


@pytest.mark.parametrize("hands", HANDS, ids=[hands.name for hands in HANDS])
def test_every_list_is_searched_and_arranged(hands, visits, pages):
    """Whatever a page asks by a form that changes nothing: filters, searches, columns."""
    asked = set()
    for role in ROLES:
        for window, address in visits(role, _of_each_kind(pages(role), _questions), scripts=hands is Keyboard):
            does = hands(window)
            window.open(address)
            forms = window.page.locator("main form:not([method=post]):not([data-choose])")
            for place in range(forms.count()):
                form = forms.nth(place)
                action = form.get_attribute("action") or address
                key = (crawl.kind(action)[0], *form.evaluate("it => [...it.elements].map(one => one.name)"))
                if key in asked:
                    continue
                asked.add(key)
                _ask(does, form)
                answer = window.page.request.get(window.page.url)
                # what is not enough to answer stays, with what is missing beside its field
                is_asked_back = answer.status == 422 and window.page.locator("[aria-invalid=true]").count()
                assert answer.status == 200 or is_asked_back, f"{window.path()} from {address} is {answer.status}"
                assert crawl.kind(window.path())[0] == crawl.kind(action)[0], f"{address} leads to {window.path()}"
                window.open(address)
    assert len(asked) > 10, asked


def _questions(address: str, source: crawl.Source) -> set:
    return {(crawl.kind(to or address)[0], *names) for to, names in source.questions}


def _files(_: str, source: crawl.Source) -> set:
    return {crawl.kind(file) for file in source.files}


def _of_each_kind(pages: dict[str, crawl.Source], kinds):
    """The pages that have something of a kind that no page before them has."""
    seen = set()
    for address, source in pages.items():
        here = kinds(address, source) - seen
        seen |= here
        if here:
            yield address


def _ask(does, form) -> None:
    folded = form.locator("xpath=ancestor::details[not(@open)]/summary")
    if folded.count():
        does.use(folded.first)
    texts = form.locator("input:visible:not([type=checkbox]):not([type=radio]):not([type=date])")
    if texts.count() and not texts.first.input_value():
        label = form.locator(f'label[for="{texts.first.get_attribute("id")}"]')
        does.field(label.first.inner_text(), "ada@northwind.example")
    before = does.window.page.url
    does.use(form.locator("button").last)
    does.window.page.wait_for_url(lambda url: url != before)


@pytest.mark.parametrize("hands", HANDS, ids=[hands.name for hands in HANDS])
def test_every_file_is_saved(hands, visits, pages):
    saved = set()
    for role in ROLES:
        for window, address in visits(role, _of_each_kind(pages(role), _files), scripts=hands is Keyboard):
            does = hands(window)
            window.open(address)
            links = window.page.locator("a[download]")
            for place in range(links.count()):
                file = links.nth(place).get_attribute("href")
                kind = crawl.kind(file)
                if kind in saved:
                    continue
                saved.add(kind)
                answer = window.page.request.get(urllib.parse.urljoin(window.page.url, file))
                assert answer.status == 200, f"{file} of {address} is {answer.status}: {answer.text()[:500]}"
                with window.page.expect_download() as download:
                    does.use(links.nth(place))
                assert download.value.path().stat().st_size > 0, f"{kind} of {address}"
    assert len(saved) > 5, saved
