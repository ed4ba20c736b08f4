"""From an empty folder to stock Claude Code that answers, in one sitting: the walk of `doorward setup` in Chromium, the first sign-in, the first
answer, its record, and both checks of a rollout.
"""

import contextlib
import time

import pytest

from actors.chromium import Window
from actors.claude_code import Machine
from actors.first_run import FirstRun, Walker
from actors.hands import Keyboard, Mouse

CLIENT_ID, CLIENT_SECRET = "doorward-first-run", "client-secret-of-the-first-run"
# Fifteen minutes, at a quarter of a minute for each
STEPS_MAX = 60
START_SECONDS = 60


@pytest.fixture
def setup(programs, fakes, tmp_path):
    with FirstRun(programs / "doorward", tmp_path / "empty") as setup:
        fakes.register(CLIENT_ID, CLIENT_SECRET, f"{setup.base}/oauth/callback")
        yield setup


def test_an_empty_folder_becomes_claude_code_that_answers(setup, fakes, browser, claude_binary, axe, artefacts, tmp_path):
    started = time.monotonic()
    window, found = Window.of(browser, setup.base), []
    walker = Walker(window)

    def look(name: str) -> None:
        window.page.screenshot(path=artefacts / f"first-run-{name}.png", full_page=True)
        found.extend(f"{name}: {line}" for line in axe(window) + window.breaches())
        for secret in (CLIENT_SECRET, fakes.provider_key):
            assert secret not in window.page.content(), f"{name} shows a secret"

    walker.open(setup.link)
    walker.is_at("/setup/organisation")
    look("1-organisation")
    walker.fill("Organisation", "Northwind")
    walker.press("Go on")

    walker.is_at("/setup/issuer")
    look("2-entra")
    walker.press("Another", "link")
    walker.fill("Issuer", fakes.issuer)
    walker.fill("Client ID", CLIENT_ID)
    walker.fill("Client secret", CLIENT_SECRET)
    walker.fill("Name in policy and records", "northwind")
    walker.press("Check it")
    walker.reads("discovery and keys read")
    look("3-issuer")
    walker.press("Sign in with")
    walker.steps.append("signs in at the identity provider")
    window.page.locator('button[name="person"][value="ada"]').click()

    walker.is_at("/setup/owner")
    walker.reads("Ada Lovelace", "engineering")
    look("4-owner")
    walker.press("Make Ada Lovelace the first owner")

    walker.is_at("/setup/upstream")
    walker.fill("Key", fakes.provider_key)
    walker.fill("Another address", fakes.provider)
    look("5-provider")
    walker.press("Try it and go on")

    walker.is_at("/setup/policy")
    walker.tick("Members of engineering")
    look("6-policy")
    walker.press("Look at the whole")

    walker.is_at("/setup/write")
    look("7-write")
    assert list(setup.folder.iterdir()) == [], "nothing is written before the last step"
    walker.press("Write it and begin to serve")
    walker.reads("Doorward is starting")
    look("8-written")

    serves_at(window, setup.base)
    walker.press("Go on in the console", "link")
    walker.press("northwind")
    window.page.locator('button[name="person"][value="ada"]').click()
    walker.steps.append("signs in at the identity provider")
    walker.is_at("/console/start")
    walker.reads("Point a first Claude Code here")
    look("9-start")

    machine = Machine(claude_binary, tmp_path / "home", setup.base)
    walker.steps += ["copies the settings of Claude Code", "starts it", "approves its code in the browser"]
    seen = machine.sign_in("ada")
    assert seen.account == "ada@northwind.example"
    fakes.say("The door is open.")
    answer = machine.ask("hello")
    walker.steps.append("asks Claude")
    assert (answer.status, answer.stdout.strip()) == (0, "The door is open."), answer

    shows(window, "/console/ledger", "Ada Lovelace")
    look("10-ledger")
    window.open("/console/start")
    walker.press("Check it now")
    walker.reads("begun by a sign-in at the issuer")
    walker.press("Check what leaves now")
    walker.reads("left with x-api-key")
    look("11-checked")
    assert "6 of 6" in window.text(), window.text()
    assert not found, "\n".join(found)
    window.close()

    print(f"\nfirst run: {len(walker.steps)} human steps, {time.monotonic() - started:.0f} s of the machine's time")
    for number, step in enumerate(walker.steps, 1):
        print(f"{number:3} {step}")
    assert len(walker.steps) <= STEPS_MAX


@pytest.mark.parametrize("hands", [Keyboard, Mouse], ids=[Keyboard.name, Mouse.name])
def test_the_first_run_is_walked(hands, setup, fakes, browser):
    """The same walk by keyboard alone, and without scripts; every form of it is sent."""
    window = Window.of(browser, setup.base, scripts=hands is Keyboard)
    walks = hands(window)
    walks.open(setup.link)
    walks.field("Organisation", "Northwind")
    walks.button("Go on")
    walks.link("Another")
    walks.field("Issuer", fakes.issuer)
    walks.field("Client ID", CLIENT_ID)
    walks.field("Client secret", CLIENT_SECRET)
    walks.field("Name in policy and records", "northwind")
    walks.button("Check it")
    walks.says("discovery and keys read")
    walks.button("Sign in with")
    walks.proves("ada")
    walks.button("Make Ada Lovelace the first owner")
    walks.field("Key", fakes.provider_key)
    walks.field("Another address", fakes.provider)
    walks.button("Try it and go on")
    walks.tick("Members of engineering")
    walks.button("Look at the whole")
    walks.button("Write it and begin to serve")
    walks.says("Doorward is starting")
    missing = window.forms.never_sent()
    assert not missing, f"{hands.name}, the walk does not send {missing}"
    window.close()


def shows(window: Window, path: str, text: str) -> None:
    """Opens a page until this stands in its table: the ledger's copy follows by a moment."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        window.open(path)
        if window.page.locator("main tbody").get_by_text(text).count():
            return
    raise AssertionError(f"{text} does not stand on {path}: {window.text()}")


def serves_at(window: Window, base: str) -> None:
    """Waits until the same process serves."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):  # between the walk and the server nobody listens
            if window.context.request.get(f"{base}/protocol").ok:
                return
    raise AssertionError("Doorward does not serve")
