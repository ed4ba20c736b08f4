"""Whether the console's words may grow: every page again with the words of the interface in German and French, wide and narrow. What the
list has no word for yet is stretched by a third, as German stretches English, so that a new page is held to it at once.
"""

import csv
import pathlib

import pytest

from actors import crawl
from actors.chromium import NARROW, WIDE

WORDS = pathlib.Path(__file__).parents[2] / "crates/console/words.tsv"

# Pages that no page leads to: the pattern library, and what is found.
UNLINKED = ("/console/parts", "/console/find?q=a")

# Puts other words in place of those of the interface; returns which of the list it met.
SAY_OTHERWISE = """words => {
    const met = [];
    const ours = "button, .btn, th, label, h1, h2, h3, summary, .state, .badge, .tabs a, .switch a, .side a, .chip, dt, legend, .crumbs span";
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const said = node.data.trim();
        const parent = node.parentElement;
        if (!said || parent.closest("bdi, code, pre, time, kbd, svg, script, .id, .brand")) continue;
        if (words[said]) {
            met.push(said);
            node.data = node.data.replace(said, words[said]);
        } else if (parent.closest(ours) && /^[A-Z][A-Za-z' ]{2,40}$/.test(said)) {
            node.data = node.data.replace(said, said + "n".repeat(Math.ceil(said.length / 3)));
        }
    }
    return met;
}"""

# What runs over: the page itself, a control over its own edge, anything over the edge of its panel.
WHAT_RUNS_OVER = """() => {
    const found = [];
    const name = one => one.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
    const edge = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > edge) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const one of document.querySelectorAll("button, .btn, .badge, .state, .chip, .side a, .tabs a, .switch a, label, h1, h2, h3, dt")) {
        if (!one.checkVisibility() || one.closest(".sr, .skip, .copy")) continue;
        const box = one.getBoundingClientRect();
        if (!box.width) continue;
        if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth) found.push(`over its own edge: ${name(one)}`);
        const around = one.closest(".panel, .side, .figures, .top, main");
        const scrolls = one.closest(".table, .tabs, .sheet");
        if (around && !scrolls && box.right > around.getBoundingClientRect().right + 1) found.push(`over the edge around it: ${name(one)}`);
    }
    return found;
}"""


def words(language: str) -> dict[str, str]:
    """The words of the interface in a language, by the English ones."""
    with WORDS.open(encoding="utf-8", newline="") as lines:
        return {row["en"]: row[language] for row in csv.DictReader(lines, delimiter="\t")}


def test_the_list_has_each_word_once_in_every_language():
    with WORDS.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))
    assert rows[0] == ["en", "de", "fr"]
    assert all(len(row) == 3 and all(text.strip() == text != "" for text in row) for row in rows), rows
    english = [row[0] for row in rows]
    assert len(set(english)) == len(english)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_nothing_runs_over_in_another_language(language, signed_in, pages):
    said, met, found = words(language), set(), []
    for role in ("owner", "staff"):
        window = signed_in(role)
        for address in dict.fromkeys([*crawl.plain(pages(role)), *UNLINKED]):
            window.open(address)
            if language != "en":
                met.update(window.page.evaluate(SAY_OTHERWISE, said))
            for size in (NARROW, WIDE):
                window.page.set_viewport_size(size)
                over = window.page.evaluate(WHAT_RUNS_OVER)
                found += [f"{role} {address}, {size['width']} px: {what}" for what in over]
    assert not found, "\n".join(found)
    assert language == "en" or len(met) > 60, f"only {len(met)} words of the list are on any page"
