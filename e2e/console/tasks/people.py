"""Tasks about people, services and directories: shut out, let in, roles, keys, who comes and goes."""

import time

from actors import device_sign_in

from . import TRIED, task


@task("owner")
def shut_somebody_out_and_let_them_in_again(hands):
    hands.open("/console/people")
    hands.field("E-mail address or name has", "oscar")
    hands.button("Search")
    hands.use(hands.window.page.locator("th a.row").first)
    hands.link("Shut out")
    hands.field("Reason", TRIED)
    hands.button("Shut them out")
    hands.link("Let in")
    hands.field("Reason", "Tried, and it works")
    hands.button("Let them in")
    hands.use(hands.window.page.get_by_role("link", name="Shut out").first)
    hands.link("Leave it as it is")


@task("owner")
def end_one_session_of_somebody(hands):
    hands.open("/console/sessions")
    before = hands.window.page.get_by_role("link", name="End the session").count()
    assert before > 1
    hands.use(hands.window.page.get_by_role("link", name="End the session").first)
    hands.field("Reason", TRIED)
    hands.button("End the session")
    hands.says("Sessions")


@task("owner")
def end_every_session_of_somebody(hands):
    device_sign_in.sign_in(hands.demo.base, "edsger")
    _find_in_people(hands, "edsger")
    hands.link("End sessions")
    hands.field("Reason", TRIED)
    hands.button("End their sessions")
    hands.use(hands.window.page.get_by_role("link", name="Shut out").first)


@task("owner")
def find_somebody_by_what_is_known_of_them(hands):
    hands.open("/console/find")
    hands.field("Name, e-mail address, reason or id", "yusuf")
    hands.use(hands.window.page.locator("#main").get_by_role("button", name="Find"))
    hands.link("Yusuf Demir")
    hands.says("What they may use, and why")


@task("owner")
def give_a_role_and_take_it_away(hands):
    hands.open("/console/roles")
    hands.link("Give a role")
    hands.choice("Role", "auditor: reads everything, writes nothing of the company's")
    hands.field("Person", "oscar@northwind.example")
    hands.button("Go on")
    hands.says("Make auditor: Oscar Lund")
    hands.field("Reason", TRIED)
    hands.button("Give the role")
    hands.link("Take away the role auditor from Oscar Lund")
    hands.field("Reason", TRIED)
    hands.button("Take it away")
    hands.link("Give a role")


@task("owner")
def make_a_service_key_and_take_it_away(hands):
    hands.open("/console/services")
    hands.link("Make a key")
    hands.field("Service", "tried-by-the-tests")
    hands.button("Make the key")
    hands.says("Copy it now")
    hands.link("To the service")
    hands.link("Take away the key")
    hands.field("Reason", TRIED)
    hands.button("Take it away")
    hands.says("0 of")


@task("owner")
def make_a_directorys_token_replace_it_and_take_others_away(hands):
    # two of one directory open at once, and two are there: each new one wants room first
    others = hands.window.page.locator('a[href$="/revoke"]')
    hands.open("/console/directory")
    _take_away(hands, others.first)
    hands.link("Make a token")
    hands.field("Name", TRIED)
    hands.button("Make the token")
    hands.says("Copy it now")
    hands.link("To the directory")
    _take_away(hands, others.last)
    hands.link(f"Replace {TRIED} with a new one")
    hands.field("Hours for which the old one goes on to open", "1")
    hands.button("Make the successor")
    hands.says("goes on to open for 1 hours")
    hands.link("To the directory")


@task("owner")
def tell_of_a_joiner_and_close_a_task_of_theirs(hands):
    who = f"joiner-{time.time_ns()}@northwind.example"
    hands.open("/console/tasks")
    hands.link("Somebody is new")
    hands.field("Who", who)
    hands.field("Who says so", TRIED)
    hands.button("Open their tasks")
    _filter_tasks(hands, who)
    hands.use(hands.find("#main th a.row"))
    hands.link("Done")
    hands.field("What proves it", TRIED)
    hands.button("It is done")
    hands.says(TRIED)


@task("owner")
def hold_a_member_list_against_the_directory(hands):
    hands.open("/console/members")
    hands.link("Check a list")
    hands.field("The list", "Email\nada@northwind.example\nstranger@northwind.example\n")
    hands.field("What the list is called", TRIED)
    hands.tick("Only look: change no task")
    hands.button("Check it")
    hands.says("The list was checked.")
    hands.says("stranger@northwind.example")


@task("owner")
def end_several_sessions_together(hands):
    for _ in range(2):
        device_sign_in.sign_in(hands.demo.base, "edsger")
    hands.open("/console/sessions?sort=-since")
    chosen = hands.window.page.get_by_label("of Edsger")
    for place in range(2):
        hands.check(chosen.nth(place))
    hands.button("End the chosen")
    hands.field("Reason", TRIED)
    hands.button("End 2 sessions")
    hands.says("2 sessions were ended.")


@task("owner", has_own_demo=True)
def end_everyones_sessions(hands):
    hands.open("/console/sessions")
    hands.link("End everyone's")
    hands.field("Reason", TRIED)
    hands.button("End every session")
    hands.window.page.wait_for_url("**/console/sign-in**")


@task("owner")
def tell_of_a_leaver_and_say_that_a_task_is_not_needed(hands):
    who = f"leaver-{time.time_ns()}@northwind.example"
    hands.open("/console/tasks")
    hands.link("Somebody will leave")
    hands.field("Who", who)
    hands.field("Who says so", TRIED)
    hands.button("Open their tasks")
    _filter_tasks(hands, who)
    hands.use(hands.find("#main th a.row"))
    hands.link("Not needed")
    hands.field("Why it does not apply", TRIED)
    hands.button("It is not needed")
    hands.says("Not needed")


@task("owner")
def close_several_tasks_together(hands):
    who = f"joiner-{time.time_ns()}@northwind.example"
    hands.open("/console/tasks/joiner")
    hands.field("Who", who)
    hands.field("Who says so", TRIED)
    hands.button("Open their tasks")
    _filter_tasks(hands, who)
    boxes = hands.window.page.locator("#main td.choose input")
    for place in range(2):
        hands.check(boxes.nth(place))
    hands.button("The chosen are done")
    hands.field("What proves it", TRIED)
    hands.button("They are done")
    hands.says("What is still to be done stands below")


@task("staff", "owner")
def take_somebodys_token_away(owns, takes):
    name = f"{TRIED} {time.time_ns()}"
    owns.open("/me/tokens/new")
    owns.field("Name", name)
    owns.tick("own.read")
    owns.button("Make the token")
    owns.says("Copy it now")
    takes.open("/console/tokens")
    takes.link(f"Take away the token {name}")
    takes.field("Reason", TRIED)
    takes.button("Take it away")
    takes.says("Personal tokens")


def _find_in_people(hands, who: str) -> None:
    hands.open("/console/people")
    hands.field("E-mail address or name has", who)
    hands.button("Search")
    # the filter that is shown as on: only then are the rows those that were searched for
    hands.window.page.get_by_role("link", name="Take off").wait_for()
    hands.use(hands.find("th a.row"))


def _filter_tasks(hands, who: str) -> None:
    hands.says("What is to be done for them stands below")
    hands.field("About: an e-mail address or a person's id", who)
    hands.button("Filter")
    hands.window.page.get_by_role("link", name="Take off").wait_for()


def _take_away(hands, link) -> None:
    hands.use(link)
    hands.field("Reason", TRIED)
    hands.button("Take it away")
    hands.says("never the tokens themselves")
