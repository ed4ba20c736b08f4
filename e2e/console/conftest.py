"""A `doorward demo` with everything in it, Chromium, and its people signed in. What a test changes, it changes about somebody no other
test is about.
"""

import pathlib
import time

import pytest

from actors import crawl
from actors.chromium import Window, chromium
from actors.demo import Demo

ROOT = pathlib.Path(__file__).parents[2]
# half of what a proof of who somebody is lives
PROOF_SECONDS = 300


@pytest.fixture(scope="session")
def browser():
    """Chromium, driven by Playwright."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def demo(programs, tmp_path_factory):
    """The demo, up and without its story."""
    with Demo(programs / "doorward", tmp_path_factory.mktemp("demo"), "--serve-only") as demo:
        yield demo


@pytest.fixture(scope="session")
def logins(demo):
    """Who plays which part: `owner`, `auditor`, `staff`."""
    return {login["role"]: login["name"] for login in demo.about["logins"]}


@pytest.fixture
def window(browser, demo):
    """Opens windows at the demo that nobody is signed in to; they close with the test. Takes what `Window.of` takes."""
    opened = []

    def open_one(**how) -> Window:
        opened.append(Window.of(browser, demo.base, **how))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def states(browser, demo, logins):
    """The cookies of each role, made once."""
    found = {}
    for role, login in logins.items():
        signed_in = Window.of(browser, demo.base).sign_in(login)
        found[role] = signed_in.context.storage_state()
        signed_in.close()
    return found


@pytest.fixture
def signed_in(window, states):
    """Opens a window that somebody of this role is signed in to already. Their session is shared: who signs out, signs in anew first."""

    def open_one(role: str, **how) -> Window:
        return window(state=states[role], **how)

    return open_one


@pytest.fixture
def newly_signed_in(window, logins):
    """Opens a window and signs somebody of this role in, with a session of their own and a fresh proof of who they are."""

    def open_one(role: str, **how) -> Window:
        return window(**how).sign_in(logins[role])

    return open_one


@pytest.fixture
def visits(newly_signed_in):
    """Each of some addresses with a window for it, of somebody of this role whose proof of who they are is fresh however long it takes."""

    def each(role: str, addresses, **how):
        window, signed_in_at = None, 0.0
        for address in addresses:
            if window is None or time.monotonic() - signed_in_at > PROOF_SECONDS:
                window, signed_in_at = newly_signed_in(role, **how), time.monotonic()
            yield window, address

    return each


@pytest.fixture
def own_demo(programs, tmp_path):
    """A demo for one test alone, without sample data."""
    with Demo(programs / "doorward", tmp_path, "--serve-only", "--empty") as demo:
        yield demo


@pytest.fixture(scope="session")
def pages(browser, demo, states):
    """The pages that a role can reach, by their addresses, found by following links; asked once for each."""
    known = {}

    def of(role: str) -> dict[str, crawl.Source]:
        if role not in known:
            looking = Window.of(browser, demo.base, state=states[role])
            known[role] = crawl.pages(looking)
            looking.close()
        return known[role]

    return of


@pytest.fixture(scope="session")
def axe(node_packages):
    """What axe finds on the page of a window, light and dark: one line for each thing. What a scheme can change is only colours."""
    source = (node_packages / "node_modules/axe-core/axe.min.js").read_text()
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    everything = {"type": "tag", "values": tags}
    colours = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

    def findings(window: Window) -> list[str]:
        found = []
        window.page.evaluate(source)
        for scheme, rules in (("dark", colours), ("light", everything)):
            # at once: what still changes its colour has neither scheme's
            window.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            how = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
            result = window.page.evaluate("how => axe.run(document, how)", how)
            found += [
                f"{window.path()}, {scheme}: {one['id']}: {one['help']}: {node['html'][:200]} ({node['failureSummary']})"
                for one in result["violations"]
                for node in one["nodes"][:3]
            ]
        return found

    return findings


@pytest.fixture(scope="session")
def artefacts():
    """The folder of what tests leave to be looked at, emptied at each run."""
    folder = ROOT / ".work/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return folder
