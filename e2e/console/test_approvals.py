"""What Claude wants to change in the demo's CRM, from the call to the page and back: with Chromium, a client of the protocol, and the CRM's
own word on what was done. Members of the CRM have numbers that no other test uses.
"""

import json
import re

import pytest

from actors import device_sign_in
from actors.mcp import asked, tool_called

from .tasks import TRIED

MOVED = "7 Mill Lane"
WAITS = re.compile(r"(\d+) calls? waits? for a second person")


class Claude:
    """Somebody's client at the CRM."""

    def __init__(self, demo, login: str):
        self._base, self._url = demo.base, f"{demo.base}/mcp/crm"
        self._token = device_sign_in.sign_in(demo.base, login).access_token

    def calls(self, tool: str, **arguments) -> dict:
        return tool_called(self._url, self._token, tool, arguments)

    def waits(self, tool: str, **arguments) -> str:
        """The page that a call needs somebody's yes on, as its model is told."""
        result = self.calls(tool, **arguments)["result"]
        assert result["isError"] is True, result
        page = re.search(rf"{self._base}(/approvals/apr_\w+)", result["content"][0]["text"])
        assert page, result
        return page[1]

    def is_done(self, tool: str, **arguments) -> bool:
        return self.calls(tool, **arguments)["result"].get("isError") is False

    def tools(self) -> list[str]:
        return [tool["name"] for tool in asked(self._url, self._token, "tools/list", {})["result"]["tools"]]


@pytest.fixture(scope="module")
def claudes(demo, logins):
    """The clients of people, by what they play."""
    kept = {}

    def of(role: str) -> Claude:
        if role not in kept:
            kept[role] = Claude(demo, logins.get(role, role))
        return kept[role]

    return of


@pytest.fixture
def crm(demo):
    """What the CRM says of a member, asked past Doorward."""

    def member(number: int) -> dict:
        result = tool_called(demo.about["crm_url"], "nobody", "get_member", {"member": number})["result"]
        assert result["isError"] is False, result
        return json.loads(result["content"][0]["text"])

    return member


def decide(window, button: str, says: str, reason: str = "") -> None:
    if reason:
        window.field("Reason").fill(reason)
    window.press(button)
    window.page.get_by_text(says).wait_for()


def waiting(window) -> int:
    """How many calls wait for a second person, as the inbox counts them now."""
    window.open("/console/approvals")
    found = WAITS.search(window.text())
    return int(found[1]) if found else 0


def test_a_call_is_approved_on_its_page_and_made_once(claudes, crm, newly_signed_in, signed_in):
    ada, before = claudes("staff"), crm(4411)
    page = ada.waits("update_contact", member=4411, address=MOVED)
    assert crm(4411) == before
    inbox = signed_in("owner")
    inbox.open("/console/approvals")
    assert inbox.page.locator(f'#main a[href="{page}"]').count() == 1
    window = newly_signed_in("staff")
    window.open("/approvals")
    window.page.locator(f'#main a[href="{page}"]').first.click()
    window.page.get_by_text("Your decision").wait_for()
    shown = window.text()
    assert all(words in shown for words in ["4411", MOVED, "update_contact", "Membership CRM"]), shown
    decide(window, "Approve this call", "It is approved, for this one call.")
    assert crm(4411) == before, "a yes makes no call by itself"
    assert ada.is_done("update_contact", member=4411, address=MOVED)
    assert crm(4411) == {"member": 4411, "address": MOVED, "changes": before["changes"] + 1}
    again = ada.waits("update_contact", member=4411, address=MOVED)
    assert again != page
    assert crm(4411)["changes"] == before["changes"] + 1
    window.open(page)
    assert "A call was approved and made" in window.text()
    assert window.page.get_by_role("button", name="Approve this call").count() == 0
    assert not window.wrong and not inbox.wrong


def test_a_letter_waits_in_the_inbox_for_a_second_person(claudes, crm, newly_signed_in, signed_in):
    ada, before = claudes("staff"), crm(2207)["changes"]
    inbox = newly_signed_in("owner")
    count = waiting(inbox)
    page = ada.waits("send_letter", member=2207, text=TRIED)
    inbox.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    inbox.page.locator(".side .tally").get_by_text(str(count + 1), exact=True).wait_for()
    assert waiting(inbox) == count + 1
    own = signed_in("staff")
    own.open(page)
    assert "You asked for this yourself" in own.text()
    assert own.page.get_by_role("button", name="Approve this call").count() == 0
    inbox.open(page)
    decide(inbox, "Approve this call", "It is approved, for this one call.")
    assert waiting(inbox) == count
    assert ada.is_done("send_letter", member=2207, text=TRIED)
    assert crm(2207)["changes"] == before + 1


def test_a_yes_is_for_one_argument_and_one_person_and_its_link_opens_nothing_for_others(claudes, crm, newly_signed_in, window):
    ada, grace = claudes("staff"), claudes("owner")
    before = [crm(number) for number in (1020, 4412)]
    page = ada.waits("update_contact", member=1020, address=MOVED)
    thief = window().sign_in("alan", page)
    assert thief.open(page).status == 404
    assert MOVED not in thief.text() and "1020" not in thief.text()
    # the owner sees that there is a call, none of its arguments, and cannot say yes to it
    owner = newly_signed_in("owner")
    assert owner.open(page).status == 200
    assert MOVED not in owner.text() and "1020" not in owner.text()
    assert owner.page.get_by_role("button", name="Approve this call").count() == 0
    token = owner.page.locator(f'form[action="{page}/decide"] input[name="csrf"]').get_attribute("value")
    forged = owner.page.request.post(
        f"{page}/decide",
        form={"csrf": token, "decision": "approve", "reason": TRIED},
        headers={"origin": owner.base, "sec-fetch-site": "same-origin"},
    )
    assert forged.status == 403, forged.text()
    own = newly_signed_in("staff")
    own.open(page)
    decide(own, "Approve this call", "It is approved, for this one call.")
    others = {
        ada.waits("update_contact", member=4412, address=MOVED),
        ada.waits("update_contact", member=1020, address=f"{MOVED}."),
        grace.waits("update_contact", member=1020, address=MOVED),
    }
    assert len(others) == 3 and page not in others
    assert [crm(number) for number in (1020, 4412)] == before
    assert ada.is_done("update_contact", member=1020, address=MOVED)
    assert crm(1020)["changes"] == before[0]["changes"] + 1


def test_a_no_reaches_the_program_with_its_reason(claudes, crm, newly_signed_in):
    ada, before = claudes("staff"), crm(4413)
    page = ada.waits("update_contact", member=4413, address="nowhere")
    window = newly_signed_in("staff")
    window.open(page)
    decide(window, "Deny", "It is denied.", reason=TRIED)
    told = ada.calls("update_contact", member=4413, address="nowhere")["result"]
    assert told["isError"] is True and TRIED in told["content"][0]["text"], told
    assert crm(4413) == before


def test_what_nobody_answers_is_refused_and_a_late_yes_as_well(claudes, crm, demo, newly_signed_in):
    ada, before = claudes("staff"), crm(4413)
    page = ada.waits("update_contact", member=4413, address=MOVED)
    window = newly_signed_in("staff")
    window.open(page)
    assert demo.expires(page.rsplit("/", 1)[1]) not in page
    window.press("Approve this call")
    window.page.get_by_role("link", name="See how it stands").click()
    window.page.get_by_role("heading", name="A call was not approved in time").wait_for()
    assert ada.waits("update_contact", member=4413, address=MOVED) != page
    assert crm(4413) == before


def test_what_is_blocked_stays_so_for_whoever_approves_for_others(claudes, crm, signed_in):
    before, pages = crm(4412), {}
    for role in ("staff", "owner"):
        window = signed_in(role)
        window.open("/approvals")
        claude, pages[role] = claudes(role), window.page.locator('#main a[href^="/approvals/"]').count()
        assert "delete_contact" not in claude.tools()
        blocked, missing = claude.calls("delete_contact", member=4412), claude.calls("no_such_tool", member=4412)
        assert blocked["error"]["code"] == -32602 and blocked["error"]["message"] == missing["error"]["message"]
        window.open("/approvals")
        assert window.page.locator('#main a[href^="/approvals/"]').count() == pages[role], "somebody could say yes to it"
    assert crm(4412) == before
