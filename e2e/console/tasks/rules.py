"""Tasks about the rules: the policy as text and as forms, limits, acceptable use, connectors, what clients receive."""

from . import TRIED, task


@task("owner")
def change_the_policy_and_take_the_change_out_again(hands):
    hands.open("/console/policy")
    hands.link("Add a limit")
    hands.field("Name", TRIED)
    hands.field("Requests a minute", "100000")
    save_the_policy(hands)
    hands.open("/console/policy")
    hands.link(TRIED)
    hands.button("Take it out")
    save_the_policy(hands, leads_to_preview=False)
    hands.open("/console/policy")
    assert TRIED not in hands.window.page.locator("table").all_inner_texts()


@task("owner")
def set_a_spend_limit_change_it_and_remove_it(hands):
    hands.open("/console/budgets/limits/new")
    hands.field("Which person or group", "oscar@northwind.example")
    hands.field("Cap in US dollars", "400")
    hands.button("Go on")
    hands.button("Set it")
    hands.link("Change the limit of Oscar Lund")
    hands.field("Cap in US dollars", "500")
    hands.button("Go on")
    hands.says("$500.00 a month")
    hands.button("Change it")
    hands.link("Remove the limit of Oscar Lund")
    hands.says("$500.00 a month no longer bounds them")
    hands.button("Remove it")
    hands.link("Set a limit")


@task("owner")
def write_the_acceptable_use_and_publish_it(hands):
    hands.open("/console/acceptable-use")
    hands.link("Write the draft")
    hands.field("Contact", "the help desk")
    hands.field("How to reach them", "help@northwind.example")
    hands.button("Look, and save nothing")
    hands.says("As people would see it")
    hands.button("Save the draft")
    hands.says("The draft is saved.")
    hands.link("Publish it")
    hands.field("Reason", TRIED)
    # nobody is asked anew: other tests go by who has accepted
    hands.tick("Only a mended error")
    hands.button("Publish it")
    hands.says("Who has accepted")
    hands.says(TRIED)


@task("owner")
def look_through_a_settings_file(hands):
    hands.open("/console/clients/lint")
    hands.field("The file", '{"env": {"ANTHROPIC_API_KEY": "tried"}}')
    hands.button("Look through it")
    hands.says("env.ANTHROPIC_API_KEY")


@task("owner")
def change_the_policy_as_text_try_it_and_bring_the_version_before_back(hands):
    hands.open("/console/policy")
    before = hands.find('a[href^="/console/policy/versions/"]').get_attribute("href")
    hands.link("Change it as text")
    hands.add("Text of the policy", "\n# tried once\n")
    hands.button("Look at what it changes")
    hands.button("Change it as text")
    hands.add("Text of the policy", "# and once more\n")
    hands.button("Look at what it changes")
    hands.button("Change this entry too")
    hands.button("Look at what it changes")
    hands.field("Person or service", "ada@northwind.example")
    hands.field("Model", "claude-sonnet-5-5")
    hands.button("Try by both")
    hands.says("Ada Lovelace")
    hands.button("Back to what it changes")
    save_the_policy(hands, leads_to_preview=False)
    hands.open(before)
    hands.link("Bring this one back")
    hands.button("Look at what it changes")
    save_the_policy(hands, leads_to_preview=False)


@task("owner")
def look_at_what_a_change_beside_the_rules_would_do(hands):
    for link in ("Change the demand", "Change what is stated"):
        hands.open("/console/policy")
        hands.link(link)
        hands.button("Look at what it changes")
        hands.says("What it would change")
        hands.link("Leave it as it is")
        hands.says("In force since")


@task("owner")
def try_what_somebody_may(hands):
    hands.open("/console/policy")
    hands.link("Try as somebody")
    hands.field("Person or service", "ada@northwind.example")
    hands.field("Model", "claude-fable-5-2")
    hands.button("Try")
    hands.says("model_not_allowed")


@task("owner")
def review_a_connector(hands):
    hands.open("/console/connectors")
    hands.link("Membership CRM")
    hands.link("Review it")
    hands.field("Who runs it", "our web team")
    hands.choice("How much is at risk", "medium")
    hands.field("What you found", TRIED)
    hands.tick("It may be used, as far as the policy lets it")
    hands.button("Keep the review")
    hands.says(TRIED)


@task("owner")
def approve_a_definition_and_leave_another_blocked(hands):
    for link, button in (("Approve", "Approve"), ("Leave it blocked", "Leave it blocked")):
        hands.open("/console/connectors/crm")
        hands.use(hands.find('section[aria-labelledby="definitions"] a.row'))
        hands.link(link)
        hands.field("Why", TRIED)
        hands.button(button)
        hands.says("What each group may do")


@task("owner")
def ask_a_connector_what_it_lists(hands):
    hands.open("/console/connectors/crm")
    hands.button("Ask it what it lists")
    hands.says("It has answered.")


@task("owner")
def lay_a_baseline_over_a_connector(hands):
    hands.open("/console/connectors/crm")
    hands.choose(hands.find("#kind"), "Salesforce and other CRM")
    hands.button("Lay it over what is listed")
    hands.field("For which group", "contractors")
    hands.button("See who the baseline touches")
    hands.says("What it would change")
    hands.link("Leave it as it is")


@task("owner")
def look_at_what_another_state_of_an_action_would_do(hands):
    hands.open("/console/connectors/crm")
    hands.choose(hands.find("table.matrix select"), "Blocked")
    hands.button("See who it touches")
    hands.says("What it would change")
    hands.link("Leave it as it is")


def save_the_policy(hands, leads_to_preview=True) -> None:
    if leads_to_preview:
        hands.button("Look at what it changes")
    hands.says("Whom it touches")
    hands.field("Reason", TRIED)
    hands.button("Save as version")
    # on the policy's own page it is a link
    hands.window.page.get_by_role("link", name="Try as somebody").wait_for()
