"""Forms of the product that change something: which ones its pages offer, and which were sent. A form is known by the address that it is
sent to, ids and names in it left out, and by its button where it has several.
"""

import dataclasses
import html.parser
import re
import urllib.parse

from . import crawl

# what stands in an address for one of many
NAMES = re.compile(r"(?<=/console/connectors/)[^/]+|(?<=/console/models/test/)[^/]+")

Form = tuple[str, str]


def address(action: str) -> str:
    """The path of an action without what makes it one of many."""
    return NAMES.sub("NAME", crawl.kind(urllib.parse.urlsplit(action).path)[0])


@dataclasses.dataclass
class Forms:
    """What was offered, with a page it stands on, and what was sent."""

    offered: dict[Form, str] = dataclasses.field(default_factory=dict)
    sent: set[Form] = dataclasses.field(default_factory=set)

    def see(self, source: str, page: str) -> None:
        """Keeps the forms of a page."""
        read = _Forms()
        read.feed(source)
        for form in read.all():
            self.offered.setdefault(form, page)

    def send(self, url: str, encoded: str) -> None:
        """Keeps that a form was sent."""
        action = address(url)
        self.sent.add((action, ""))
        for name, value in urllib.parse.parse_qsl(encoded, keep_blank_values=True):
            self.sent.add((action, f"{name}={value}"))

    def add(self, other: "Forms") -> None:
        for form, page in other.offered.items():
            self.offered.setdefault(form, page)
        self.sent |= other.sent

    def never_sent(self) -> set[Form]:
        return set(self.offered) - self.sent


@dataclasses.dataclass
class _Form:
    id: str
    action: str
    # each button: where it sends, and what it says beside the fields
    buttons: list[tuple[str, str]] = dataclasses.field(default_factory=list)


class _Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self._found: list[_Form] = []
        self._strays: list[tuple[str, tuple[str, str]]] = []
        self._open: _Form | None = None

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        if tag == "form":
            is_post = (has.get("method") or "get").lower() == "post"
            self._open = _Form(has.get("id") or "", has.get("action") or "") if is_post else None
            if self._open:
                self._found.append(self._open)
        elif tag == "button" and has.get("type", "submit") == "submit" and "aria-disabled" not in has:
            said = f"{has['name']}={has.get('value') or ''}" if has.get("name") else ""
            button = (has.get("formaction") or "", said)
            if has.get("form"):
                self._strays.append((has["form"], button))
            elif self._open:
                self._open.buttons.append(button)

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None

    def all(self) -> set[Form]:
        for id, button in self._strays:
            for form in self._found:
                if form.id == id:
                    form.buttons.append(button)
        found = set()
        for form in self._found:
            several = len({said for _, said in form.buttons}) > 1
            for action, said in form.buttons or [("", "")]:
                found.add((address(action or form.action), said if several else ""))
        return found
