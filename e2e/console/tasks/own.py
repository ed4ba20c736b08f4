"""Tasks of everybody: their own page, what they ask for, calls that wait for a yes, the light."""

import json
import time

from actors import device_sign_in

from . import TRIED, task
from .rules import save_the_policy


@task("staff")
def end_one_session_of_ones_own(hands):
    hands.open("/me")
    ends = hands.window.page.get_by_role("button", name="End the session Claude Code")
    before = ends.count()
    hands.use(ends.first)
    hands.says("A program whose session ended must sign in again.")
    assert ends.count() == before - 1


@task("staff", "owner")
def ask_for_a_model_and_be_granted_it(asking, answering):
    asking.open("/me/ask")
    asking.tick("claude-fable-5-2")
    asking.field("What for", TRIED)
    asking.button("Ask")
    asking.says("What you have asked for, and what became of it")
    _answer(answering, "Grant")
    answering.says("It is granted.")
    asking.open("/me")
    asking.says("granted")


@task("staff", "owner")
def ask_for_a_group_and_be_declined(asking, answering):
    asking.open("/me/ask?for=group")
    asking.field("Which group", "pilot")
    asking.field("What for", TRIED)
    asking.button("Ask")
    asking.says("What you have asked for, and what became of it")
    _answer(answering, "Decline")
    answering.says("It is declined.")
    asking.open("/me")
    asking.says("declined")


@task("staff")
def make_a_token_of_ones_own_and_take_it_away(hands):
    hands.open("/me/tokens")
    hands.link("Make a token")
    hands.field("Name", TRIED)
    hands.tick("own.read")
    hands.button("Make the token")
    hands.says("Copy it now")
    hands.link("To your tokens")
    hands.link(f"Take away the token {TRIED}")
    hands.button("Take it away")
    hands.link("Make a token")


@task("staff")
def change_the_light(hands):
    hands.open("/me")
    hands.button("Theme: as the system")
    hands.button("Theme: light")
    hands.window.page.wait_for_selector("html[data-theme=dark]")
    hands.button("Theme: dark")


@task("owner")
def change_the_light_from_the_menu(hands):
    hands.open("/console")
    hands.summary("You:")
    hands.button("Theme: as the system")
    hands.window.page.wait_for_selector("html[data-theme=light]")


@task("owner", ends_session=True)
def sign_out(hands):
    hands.open("/console")
    hands.summary("You:")
    hands.button("Sign out")
    hands.says("You are signed out")


@task("staff", "owner")
def ask_for_money_and_be_granted_less(asking, answering):
    asking.open("/me/ask")
    asking.link("A higher budget")
    asking.field("How much", "90")
    asking.field("What for", TRIED)
    asking.button("Ask")
    asking.says("What you have asked for, and what became of it")
    _answer(answering, "Grant")
    answering.says("It is granted.")


@task("staff", "owner", has_own_demo=True)
def ask_for_a_connector_and_be_granted_it(asking, answering):
    asking.open("/me")
    asking.link("Ask for a connector")
    asking.field("Which connector", "Notion")
    asking.field("What for", TRIED)
    asking.button("Ask")
    asking.says("What you have asked for, and what became of it")
    for draft in ("Draft it", "Draft an entry"):
        answering.open("/console/requests")
        answering.link("ada@northwind.example")
        answering.says("It can be granted once they have it.")
        answering.link(draft)
        save_the_policy(answering)
    _answer(answering, "Grant")
    answering.says("It is granted.")
    asking.open("/me")
    asking.says("The connector Notion")
    asking.says("Granted by")


@task("staff", "owner")
def ask_for_an_action_and_be_declined(asking, answering):
    asking.open("/me")
    asking.link("Ask for more: Membership CRM")
    asking.field("Which action", "delete_contact")
    asking.field("What for", TRIED)
    asking.button("Ask")
    asking.says("What you have asked for, and what became of it")
    answering.open("/console/requests")
    answering.link("ada@northwind.example")
    answering.says("“CRM: nobody deletes”")
    answering.link("Decline")
    answering.field("Your answer", TRIED)
    answering.button("Decline")
    answering.says("It is declined.")
    asking.open("/me")
    asking.says("The action delete_contact of the connector crm")


@task("staff")
def take_back_what_one_asked_for(hands):
    hands.open("/me/ask?for=group")
    hands.field("Which group", "board")
    hands.field("What for", TRIED)
    hands.button("Ask")
    hands.button("Take back")
    hands.says("taken back")


@task("staff", has_own_demo=True)
def end_all_ones_other_sessions(hands):
    device_sign_in.sign_in(hands.demo.base, "ada")
    hands.open("/me")
    hands.button("End all others")
    hands.says("A program whose session ended must sign in again.")


@task("staff")
def approve_a_call_of_ones_own(hands):
    _opens_call(hands, "/approvals", hands.demo.wants("ada@northwind.example", "self", _member()))
    hands.button("Approve this call")
    hands.says("It is approved, for this one call.")


@task("staff")
def deny_a_call_of_ones_own(hands):
    _opens_call(hands, "/me", hands.demo.wants("ada@northwind.example", "self", _member()))
    hands.field("Reason", TRIED)
    hands.button("Deny")
    hands.says("It is denied.")


@task("owner")
def decide_as_the_second_person(hands):
    _opens_call(hands, "/console/approvals", hands.demo.wants("ada@northwind.example", "second", _member()))
    hands.field("Reason", TRIED)
    hands.button("Approve this call")
    hands.says("It is approved, for this one call.")


@task("owner")
def have_a_call_made_with_other_arguments(hands):
    _opens_call(hands, "/console/approvals", hands.demo.wants("ada@northwind.example", "second", _member()))
    hands.link("Change the arguments")
    hands.field("All arguments", json.dumps({"member": _member(), "text": TRIED}))
    hands.field("Reason", TRIED)
    hands.button("Go on with these")
    hands.says("nothing is approved yet")
    hands.button("Approve this call")
    hands.says("It is approved, for this one call.")


def _member() -> int:
    """Somebody else each time: the same call would be the same approval."""
    return time.time_ns() // 1_000_000 % 2**31


def _opens_call(hands, path: str, approval: str) -> None:
    hands.open(path)
    hands.use(hands.find(f'#main a[href="/approvals/{approval}"]'))
    hands.says("Your decision")


def _answer(hands, verb: str) -> None:
    hands.open("/console/requests")
    hands.link("ada@northwind.example")
    hands.link(verb)
    hands.field("Your answer", TRIED)
    hands.button(verb)
