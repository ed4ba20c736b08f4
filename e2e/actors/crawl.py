"""Which pages there are, asked of the product itself: everything that its own links lead to, one of each kind. A new page is found
without a word here, because something must lead to it.
"""

import html.parser
import re
import urllib.parse

PAGES_MAX = 250
# an id of ours: a word, an underscore and 26 base-32 characters
ID = re.compile(r"[a-z]+_[0-9a-hjkmnp-tv-z]{26}")
# a record's place in the ledger: when, which, and of which chain
RECORD = re.compile(r"(?<=/)[0-9]{12,}[.][0-9]+[.][^/]+")
# a checkpoint's place: of which chain, and after which record
CHECKPOINT = re.compile(r"(?<=/checkpoints/)[^/]+[.][0-9]+[.][0-9]+$")
# the fingerprint of a key
HASH = re.compile(r"(?<=/)[0-9a-f]{64}(?=/|$)")
NUMBER = re.compile(r"(?<=/)[0-9]+(?=/|$)")
STARTS = ("/console", "/me")
UNDER = ("/console", "/me", "/acceptable-use", "/approvals")


class Source(html.parser.HTMLParser):
    """What stands in a page, read without a browser: to choose those that a test opens in one."""

    def __init__(self, text: str):
        super().__init__()
        self.text = text
        self.links: list[str] = []
        self.files: list[str] = []
        # forms that only ask: where each leads, and the names of its fields
        self.questions: list[tuple[str, list[str]]] = []
        # whether a form that changes something leaves it to us to say what is missing
        self.demands = False
        self._names: list[str] | None = None
        self._leaves_it_to_us = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        has = dict(attributes)
        if tag == "a" and has.get("href"):
            (self.files if "download" in has else self.links).append(has["href"])
        elif tag == "form":
            is_post = (has.get("method") or "get").lower() == "post"
            self._leaves_it_to_us = is_post and "novalidate" in has
            self._names = None if is_post else []
            if not is_post:
                self.questions.append((has.get("action") or "", self._names))
        elif tag in ("input", "select", "textarea", "button"):
            self.demands |= self._leaves_it_to_us and "required" in has
            if self._names is not None:
                self._names.append(has.get("name") or "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._names, self._leaves_it_to_us = None, False


def kind(address: str) -> tuple[str, frozenset[str]]:
    """What makes two addresses one kind of page: the path without ids, and which questions are asked, not their answers."""
    parts = urllib.parse.urlsplit(address)
    path = RECORD.sub("RECORD", ID.sub("ID", urllib.parse.unquote(parts.path)))
    path = NUMBER.sub("N", HASH.sub("HASH", CHECKPOINT.sub("CHECKPOINT", path)))
    return path, frozenset(urllib.parse.parse_qs(parts.query))


def pages(window) -> dict[str, Source]:
    """One address of each kind of page that this window's person can reach, in the order they are found, and what stands there."""
    seen, found, ahead = set(), {}, list(STARTS)
    while ahead and len(seen) < PAGES_MAX:
        address = ahead.pop(0)
        if kind(address) in seen:
            continue
        seen.add(kind(address))
        answer = window.context.request.get(urllib.parse.urljoin(window.base, address), max_redirects=0)
        if answer.status != 200 or not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        found[address] = Source(answer.text())
        for link in found[address].links:
            parts = urllib.parse.urlsplit(urllib.parse.urljoin(window.base + address, link))
            is_ours = f"{parts.scheme}://{parts.netloc}" == window.base
            if is_ours and parts.path.startswith(UNDER) and not parts.path.startswith("/console/sign-"):
                ahead.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


def plain(found) -> list[str]:
    """One address of each path, whatever is asked there."""
    paths: dict[str, str] = {}
    for address in found:
        paths.setdefault(kind(address)[0], address)
    return list(paths.values())


def name(address: str) -> str:
    """A file's name for a page."""
    path, asked = kind(address)
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join([path.strip("/"), *sorted(asked)])).strip("-") or "root"
