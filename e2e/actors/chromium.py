"""Chromium as people have it, driven by Playwright: a browser of somebody's own, signed in or not, light or dark, wide or narrow,
with scripts or without. What goes wrong on a page (an error in its console, a breach of its content policy, an answer
that did not come) is kept, so that a test can say that nothing did.
"""

import contextlib
import dataclasses
import os
import shutil
import urllib.parse

from playwright.sync_api import BrowserContext, Page, sync_playwright

from .forms import Forms

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}
TIMEOUT_MS = 15_000

# Runs before anything of the page: what the content policy forbade is kept where a test can ask for it.
KEEP_BREACHES = """
window.__breaches = [];
document.addEventListener("securitypolicyviolation", (event) => {
    window.__breaches.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


def program() -> str:
    """The Chromium of this machine."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert found, "there is no Chromium: run `cargo xtask test e2e`"
    return found


@contextlib.contextmanager
def chromium():
    """The browser's program, without anybody's window yet."""
    with sync_playwright() as playwright:
        # root, as in a container, has no sandbox
        arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        browser = playwright.chromium.launch(executable_path=program(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclasses.dataclass
class Window:
    """Somebody's browser with one tab, and what went wrong in it."""

    context: BrowserContext
    page: Page
    base: str
    wrong: list[str] = dataclasses.field(default_factory=list)
    bytes_by_address: dict[str, int] = dataclasses.field(default_factory=dict)
    forms: Forms = dataclasses.field(default_factory=Forms)

    @classmethod
    def of(cls, browser, base: str, *, state=None, scripts=True, scheme="light", size=WIDE) -> "Window":
        context = browser.new_context(
            base_url=base,
            storage_state=state,
            java_script_enabled=scripts,
            color_scheme=scheme,
            viewport=size,
            reduced_motion="reduce",
            locale="en-GB",
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(KEEP_BREACHES)
        return cls(context, context.new_page(), base)._watched()

    def _watched(self) -> "Window":
        def said(message):
            if message.type in ("error", "warning"):
                self.wrong.append(f"{self.page.url}: {message.text}")

        def answered(response):
            if response.request.resource_type != "image":
                with contextlib.suppress(Exception):  # a redirect has no body
                    body = response.body()
                    self.bytes_by_address[response.url] = len(body)
                    if response.request.resource_type == "document" and response.url.startswith(self.base):
                        self.forms.see(body.decode(), urllib.parse.urlsplit(response.url).path)

        def sent(request):
            if request.method == "POST" and request.url.startswith(self.base):
                self.forms.send(request.url, request.post_data or "")

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"{self.page.url}: {error}"))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"{request.url}: {request.failure}"))
        self.page.on("request", sent)
        self.page.on("response", answered)
        return self

    def open(self, path: str):
        """Opens a page of this Doorward, and forgets what was there before."""
        self.wrong.clear()
        self.bytes_by_address.clear()
        return self.page.goto(urllib.parse.urljoin(self.base, path))

    def breaches(self) -> list[str]:
        """What the content policy of this page forbade."""
        return self.page.evaluate("window.__breaches")

    def press(self, name: str, role: str = "button") -> None:
        """Presses the first button (or link) whose name has this in it."""
        self.page.get_by_role(role, name=name).first.click()

    def field(self, label: str):
        """The field of the page itself that has this label, or else one whose label begins so."""
        main = self.page.locator("main")
        exact = main.get_by_label(label, exact=True)
        return exact.first if exact.count() else main.get_by_label(label).first

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def path(self) -> str:
        """The path and query that the address bar shows."""
        parts = urllib.parse.urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def sign_in(self, login: str, to: str = "/console") -> "Window":
        """Signs somebody in by the identity provider's page, as they would."""
        self.page.goto(urllib.parse.urljoin(self.base, to))
        self.press("northwind")
        self.page.locator(f'button[name="person"][value="{login}"]').click()
        self.page.wait_for_url(f"{self.base}/**")
        return self

    def focused(self) -> str:
        """What has the focus, in words: its role or tag, its name, where it leads."""
        return self.page.evaluate(
            """() => { const at = document.activeElement; return at === document.body ? "" :
            [at.tagName.toLowerCase(), at.name || "", at.getAttribute("aria-label") || at.textContent.trim().slice(0, 60),
             at.getAttribute("href") || ""].join(" ").trim(); }"""
        )

    def close(self) -> None:
        self.context.close()

