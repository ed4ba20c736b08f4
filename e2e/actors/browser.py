"""A mini browser without scripts: keeps cookies, follows redirects, fills and sends forms as a real one would.

What it can do works for people without JavaScript. It never leaves loopback. Used to sign people in.
"""

import dataclasses
import html.parser
import http.client
import http.cookies
import urllib.parse

REDIRECTS_MAX = 10
TIMEOUT_SECONDS = 20


@dataclasses.dataclass
class Button:
    label: str
    name: str | None
    value: str
    action: str | None


@dataclasses.dataclass
class Link:
    label: str
    to: str


@dataclasses.dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    buttons: list[Button] = dataclasses.field(default_factory=list)


class _Forms(html.parser.HTMLParser):
    """Forms, their fields and buttons, links, and the page's text."""

    def __init__(self):
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.links: list[Link] = []
        self._form: Form | None = None
        self._button: Button | None = None
        self._link: Link | None = None

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        if tag == "a" and has.get("href"):
            self._link = Link("", has["href"])
            self.links.append(self._link)
        elif tag == "form":
            self._form = Form(has.get("action") or "", (has.get("method") or "get").lower())
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "input" and has.get("type") in ("submit", "image"):
            self._form.buttons.append(
                Button(has.get("value", ""), has.get("name"), has.get("value", ""), has.get("formaction"))
            )
        elif tag == "input" and has.get("name"):
            boxed = has.get("type") in ("checkbox", "radio")
            # a person ticks what the page requires
            if not boxed or "checked" in has or "required" in has:
                self._form.fields[has["name"]] = has.get("value") or ("on" if boxed else "")
        elif tag == "button" and has.get("type", "submit") == "submit":
            self._button = Button("", has.get("name"), has.get("value") or "", has.get("formaction"))
            self._form.buttons.append(self._button)

    def handle_endtag(self, tag):
        if tag == "a":
            self._link = None
        elif tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None

    def handle_data(self, data):
        self.words.extend(data.split())
        if self._button is not None:
            self._button.label = f"{self._button.label} {data.strip()}".strip()
        if self._link is not None:
            self._link.label = f"{self._link.label} {data.strip()}".strip()


class Page:
    """A page as it was loaded, after all redirects."""

    def __init__(self, browser: "Browser", url: str, status: int, headers, source: str):
        self._browser = browser
        self.url, self.status, self.headers, self.source = url, status, headers, source
        parsed = _Forms()
        parsed.feed(source)
        self.forms, self.links = parsed.forms, parsed.links
        self.text = " ".join(parsed.words)

    def press(self, *labels: str, **fill: str) -> "Page":
        """Presses the first button whose label, name=value or value is one of `labels`; fills its form's fields first."""
        for label in labels:
            for form in self.forms:
                for button in form.buttons:
                    if label.lower() in button.label.lower() or label == button.value:
                        return self._browser.submit(self, form, button, fill)
        raise AssertionError(f"no button {labels} on {self}")

    def follow(self, label: str) -> "Page":
        """Goes where the first link leads whose label has this in it."""
        found = next((link for link in self.links if label.lower() in link.label.lower()), None)
        assert found, f"no link {label!r} on {self}"
        return self._browser.open(urllib.parse.urljoin(self.url, found.to))

    def __str__(self) -> str:
        buttons = [button.label for form in self.forms for button in form.buttons]
        return f"{self.status} {self.url} buttons={buttons}: {self.text[:800]}"


class Browser:
    def __init__(self):
        self._cookies: dict[str, dict[str, str]] = {}

    def open(self, url: str) -> Page:
        return self._go("GET", url, None, "none", None)

    def cookie(self, base: str, name: str) -> str | None:
        """What this browser keeps for an origin under this name."""
        return self._cookies.get(urllib.parse.urlsplit(base).netloc, {}).get(name)

    def submit(self, page: Page, form: Form, button: Button, fill: dict[str, str]) -> Page:
        fields = form.fields | fill
        if button.name:
            fields[button.name] = button.value
        url = urllib.parse.urljoin(page.url, button.action or form.action or page.url)
        encoded = urllib.parse.urlencode(fields)
        site = "same-origin" if _origin(url) == _origin(page.url) else "cross-site"
        if form.method == "post":
            return self._go("POST", url, encoded, site, _origin(page.url))
        return self._go("GET", url.split("?")[0] + "?" + encoded, None, site, None)

    def _go(self, method: str, url: str, body: str | None, site: str, origin: str | None) -> Page:
        for _ in range(REDIRECTS_MAX):
            status, headers, source = self._ask(method, url, body, site, origin)
            location = headers.get("location")
            if status not in (301, 302, 303, 307, 308) or not location:
                return Page(self, url, status, headers, source)
            after = urllib.parse.urljoin(url, location)
            if site != "none" and _origin(after) != _origin(url):
                site = "cross-site"
            if status not in (307, 308):
                method, body, origin = "GET", None, None
            url = after
        raise AssertionError(f"redirected for ever, at last to {url}")

    def _ask(self, method, url, body, site, origin):
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname in ("127.0.0.1", "localhost"), f"{url} is not on loopback"
        headers = {
            "accept": "text/html,*/*;q=0.8",
            "accept-language": "en",
            "sec-fetch-site": site,
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
            "user-agent": "Mozilla/5.0 (e2e mini browser)",
        }
        jar = self._cookies.setdefault(parts.netloc, {})
        if jar:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        if origin is not None:
            headers["origin"] = origin
        connects = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = connects(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        try:
            target = parts.path or "/"
            connection.request(method, f"{target}?{parts.query}" if parts.query else target, body, headers)
            answer = connection.getresponse()
            self._keep(jar, answer.headers.get_all("set-cookie") or [])
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    @staticmethod
    def _keep(jar: dict[str, str], lines: list[str]) -> None:
        for line in lines:
            for name, cookie in http.cookies.SimpleCookie(line).items():
                if cookie["max-age"] == "0":
                    jar.pop(name, None)
                else:
                    jar[name] = cookie.value


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
