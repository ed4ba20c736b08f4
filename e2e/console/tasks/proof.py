"""Tasks about what happened and whether it works: the ledger, the checks of a rollout, upstreams."""

from . import TRIED, task


@task("owner")
def search_the_ledger_and_read_why_somebody_was_refused(hands):
    hands.open("/console/ledger")
    hands.choice("Outcome", "Refused")
    hands.field("Model has", "fable")
    hands.button("Filter")
    hands.says("claude-fable-5-2")
    hands.use(hands.window.page.locator("td a.row").first)
    hands.link("Why it was refused")
    hands.says("The record")


@task("auditor")
def look_for_a_change_of_the_rules(hands):
    hands.open("/console/ledger")
    hands.link("Changes")
    hands.use(hands.window.page.locator("td a.row").first)
    hands.says("Chain")


@task("owner")
def make_both_rollout_checks(hands):
    hands.open("/console/start")
    hands.field("Whose latest request", "ada@northwind.example")
    hands.button("Check it now")
    hands.says("The check was made")
    hands.open("/console/start")
    hands.button("Check what leaves now")
    hands.says("The check was made")
    hands.says("rollout check 2, credentials (first)")


@task("owner")
def test_an_upstream(hands):
    hands.open("/console/models")
    hands.button("Test first")
    hands.says("Tested")
