"""The same conversation with the reference gateway and with Doorward: what differs stands in docs/differences.md, with why."""

import pathlib

import pytest

from actors.doorward import ADMIN_KEY as OUR_ADMIN_KEY
from actors.doorward import Doorward
from differential import table
from differential.reference import ADMIN_KEY
from differential.requests import PERSON, POLICY, Conversation, hold

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/differences.md"

OUR_POLICY = f"""
[[grant]]
name = "everyone may use Sonnet and Haiku"
models = ["claude-sonnet-*", "claude-haiku-*"]

[[managed_settings]]
name = "everyone"

[managed_settings.settings]
availableModels = {POLICY["availableModels"]}

[managed_settings.settings.env]
DOORWARD_DIFFERENTIAL = "1"
"""


@pytest.fixture(scope="module")
def doorward(programs, shared_fakes, tmp_path_factory):
    with Doorward(programs / "doorward", tmp_path_factory.mktemp("compared"), shared_fakes, OUR_POLICY) as gateway:
        yield gateway


def test_doorward_differs_from_the_reference_only_where_the_document_says_why(reference, doorward, fakes):
    theirs = Conversation(reference.base, ADMIN_KEY, fakes.people[PERSON]["sub"])
    hold(theirs)
    ours = Conversation(doorward.base, OUR_ADMIN_KEY, fakes.people[PERSON]["sub"])
    hold(ours)
    rows = table.written(DOCUMENT)
    differences, useless = table.unexplained(table.computed(theirs, ours), rows)
    assert not differences, "\n".join(["not in docs/differences.md:", *table.proposal(differences)])
    assert not useless, "\n".join(["in docs/differences.md, yet no difference any more:", *map(str, useless)])


def test_every_difference_has_a_reason():
    for row in table.written(DOCUMENT):
        assert row.why.endswith("."), row
