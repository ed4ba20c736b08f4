"""Stock Claude Code on a fresh machine: signs in through the whole first run, asks headless, shows its status, signs out.

It drives the program as a person does, by what stands on the screen; all it ever changes behind the program's back is the time
at which a session ends. The screens were seen with the version pinned in package.json. Works against any gateway that speaks the contract.
"""

import dataclasses
import json
import pathlib
import re
import subprocess
import time

from .browser import Browser, Page
from .terminal import Terminal, without_claude

ANSWER_SECONDS = 120
SIGN_IN_SECONDS = 120
# what a verification page or an identity provider calls the way forward
ONWARD = ("continue", "let it in", "sign in", "this is me", "connect it")
PAGES_MAX = 8


@dataclasses.dataclass
class SignIn:
    """What a person saw while signing in."""

    code: str
    url: str
    # the account that was shown for confirmation; empty when none was shown
    account: str
    screens: list[str]
    last_page: Page

    def saw(self, text: str) -> bool:
        return any(text in screen for screen in self.screens)


@dataclasses.dataclass
class Answer:
    """What a headless run left behind."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        return f"{self.stdout}\n{self.stderr}".strip()


class Machine:
    """A computer with Claude Code on it and nothing else of Claude."""

    def __init__(self, claude: pathlib.Path, home: pathlib.Path, gateway_url: str, **settings):
        self._claude, self.home, self._url = claude, home, gateway_url
        self._project = home / "project"
        self._project.mkdir(parents=True)
        self.variables: dict[str, str] = {}
        asked = {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": gateway_url}
        config = home / ".claude"
        config.mkdir()
        (config / "settings.json").write_text(json.dumps(asked | settings))

    def environment(self) -> dict[str, str]:
        return without_claude() | {
            "HOME": str(self.home),
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # whatever asks for a browser gets none: the mini browser is the person's own
            "BROWSER": "true",
        } | self.variables

    def credentials(self) -> dict:
        """What Claude Code keeps about its session; empty when signed out."""
        file = self.home / ".claude/.credentials.json"
        return json.loads(file.read_text()).get("enterpriseGateway", {}) if file.exists() else {}

    def sign_in(self, login: str, *, deny: bool = False) -> SignIn:
        """The first run until the session stands, as the person with this login at the identity provider."""
        with Terminal([str(self._claude)], env=self.environment(), cwd=str(self._project)) as terminal:
            return _FirstRun(terminal, login, deny).go()

    def ask(self, prompt: str, *arguments: str, seconds: float = ANSWER_SECONDS) -> Answer:
        """`claude -p PROMPT`."""
        return self.run("-p", prompt, *arguments, seconds=seconds)

    def connect(self, server: str, login: str) -> None:
        """`claude mcp login SERVER`, as the person with this login."""
        with Terminal([str(self._claude), "mcp", "login", server], env=self.environment(), cwd=str(self._project)) as terminal:
            url = terminal.wait_for(r"https?://\S+/oauth/authorize\S+(?:\n\S+)*", SIGN_IN_SECONDS)
            page = onward(Browser().open(url[0].replace("\n", "")), login)
            assert page.status == 200, f"the sign-in ended at {page}"
            terminal.wait_for_end(SIGN_IN_SECONDS)

    def status(self) -> dict:
        """`claude auth status`."""
        return json.loads(self.run("auth", "status").stdout)

    def sign_out(self) -> Answer:
        """`claude auth logout`."""
        return self.run("auth", "logout")

    def let_session_age(self) -> None:
        """The clock goes on until the session has one minute left."""
        file = self.home / ".claude/.credentials.json"
        kept = json.loads(file.read_text())
        kept["enterpriseGateway"]["expiresAt"] = int((time.time() + 60) * 1000)
        file.write_text(json.dumps(kept))

    def run(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> Answer:
        started = time.monotonic()
        done = subprocess.run(
            [self._claude, *arguments],
            env=self.environment(),
            cwd=self._project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        return Answer(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


class _FirstRun:
    """Answers each screen of the first run once it stands there, whatever their order."""

    def __init__(self, terminal: Terminal, login: str, deny: bool):
        self._terminal, self._login, self._deny = terminal, login, deny
        self._seen = SignIn("", "", "", [], None)

    def go(self) -> SignIn:
        screens = [
            (r"Choose the text style", lambda _: self._terminal.press("enter")),
            (r"Enter to connect", lambda _: self._terminal.press("enter")),
            (r"Trust gateway ", lambda _: self._choose(r"Yes, trust")),
            (r"Code:\s+(?P<code>[A-Z]{4}-[A-Z]{4})[^~]*?^(?P<url>http\S+)$", self._browse),
            (r"Signed in to .+ as (?P<account>\S+)", self._confirm),
        ]
        deadline = time.monotonic() + SIGN_IN_SECONDS
        answered = set()
        while time.monotonic() < deadline:
            text = self._terminal.text()
            if re.search(r"Connected to|(?i:denied|refused|failed|expired)", text):
                return self._finish(text)
            for pattern, answer in screens:
                found = re.search(pattern, text, re.MULTILINE)
                if found and pattern not in answered:
                    answered.add(pattern)
                    self._seen.screens.append(text)
                    answer(found)
                    break
            else:
                self._terminal.read(1.0)
        raise AssertionError(f"the sign-in did not end; the last screen:\n{self._terminal.text()}")

    def _finish(self, text: str) -> SignIn:
        self._seen.screens.append(text)
        self._terminal.press("enter", "interrupt", "interrupt")
        return self._seen

    def _confirm(self, found: re.Match) -> None:
        self._seen.account = found["account"]
        self._choose("Yes, continue")

    def _choose(self, label: str) -> None:
        """Moves the pointer of a list to the entry and takes it."""
        self._terminal.press("up")
        self._terminal.wait_for(rf"❯ *{label}")
        self._terminal.press("enter")

    def _browse(self, found: re.Match) -> None:
        self._seen.code, self._seen.url = found["code"], found["url"]
        page = approve(found["url"], found["code"], self._login, deny=self._deny)
        assert page.status == 200, f"the sign-in ended at {page}"
        self._seen.last_page = page


def approve(url: str, code: str, login: str, *, deny: bool = False, browser: Browser | None = None) -> Page:
    """Takes a user code through the verification page and the identity provider; the page at which it ended."""
    return onward((browser or Browser()).open(f"{url}?user_code={code}"), login, deny=deny)


def onward(page: Page, login: str, *, deny: bool = False) -> Page:
    """Goes forward from a page as the person of this login would, to where nothing leads on."""
    for _ in range(PAGES_MAX):
        buttons = [button for form in page.forms for button in form.buttons]
        if any(button.value == login for button in buttons):
            page = page.press(login)
        elif deny and any("deny" in button.label.lower() for button in buttons):
            page = page.press("deny")
        elif any(word in button.label.lower() for button in buttons for word in ONWARD):
            page = page.press(*ONWARD)
        else:
            return page
    raise AssertionError(f"too many pages; at last {page}")
