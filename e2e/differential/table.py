"""The table of docs/differences.md: read it, and see which differences it explains.

A row stands for a difference of one kind at one or more requests; `*` in a cell stands for anything. The first row that fits a
difference explains it. A difference without a row is a mistake, and so is a row without a difference.
"""

import dataclasses
import fnmatch
import pathlib
import re

from . import shape
from .requests import Conversation

HEADER = "| what | at | reference | ours | why |"


@dataclasses.dataclass(frozen=True, order=True)
class Difference:
    what: str
    at: str
    reference: str
    ours: str


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    # names of requests, or patterns
    at: tuple[str, ...]
    reference: str
    ours: str
    why: str

    def explains(self, one: Difference) -> bool:
        pairs = ((self.what, one.what), (self.reference, one.reference), (self.ours, one.ours))
        return any(_fits(at, one.at) for at in self.at) and all(_fits(*pair) for pair in pairs)


def computed(reference: Conversation, ours: Conversation) -> list[Difference]:
    """Every difference between two conversations; where the status differs, that says it all."""
    found = []
    for name, answer in reference.said.items():
        facts = shape.differences(answer, ours.said[name])
        if "status" in facts:
            facts = {"status": facts["status"]}
        found.extend(Difference(what, name, theirs, own) for what, (theirs, own) in facts.items())
    return found


def written(file: pathlib.Path) -> list[Row]:
    """The rows of the document."""
    _, found, table = file.read_text().partition(HEADER + "\n")
    assert found, f"{file} has no table that begins with {HEADER}"
    rows = []
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            break
        what, at, reference, ours, why = (_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        names = tuple(name.strip() for name in at.split(";"))
        rows.append(Row(what, names, reference, ours, why))
    return rows


def unexplained(found: list[Difference], rows: list[Row]) -> tuple[list[Difference], list[Row]]:
    """The differences that no row explains, and the rows that explain nothing."""
    used, left = set(), []
    for one in found:
        row = next((row for row in rows if row.explains(one)), None)
        if row is None:
            left.append(one)
        else:
            used.add(row)
    return left, [row for row in rows if row not in used]


def proposal(found: list[Difference]) -> list[str]:
    """Lines for the document, those of one kind together."""
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        kinds.setdefault((one.what, one.reference, one.ours), []).append(one.at)
    return [
        _line(what, "; ".join(sorted(names)), f"`{theirs}`", f"`{own}`", "")
        for (what, theirs, own), names in sorted(kinds.items())
    ]


def _fits(pattern: str, text: str) -> bool:
    # only the asterisk is special
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _plain(cell: str) -> str:
    return cell.strip().strip("`").replace(r"\|", "|")
