"""The actor of Claude Code does what a person does, shown at the reference gateway, whose behaviour is not ours to change."""

from actors.claude_code import Machine


def test_the_actor_signs_in_asks_and_signs_out(claude_binary, reference, fakes, tmp_path):
    machine = Machine(claude_binary, tmp_path / "home", reference.base)
    assert "Not logged in" in machine.ask("hello").text

    seen = machine.sign_in("ada")
    assert seen.saw("Claude at Northwind."), "the login notice stands beside the code"
    assert machine.status()["apiProvider"] == "gateway"

    fakes.say("Good morning from the provider.")
    answer = machine.ask("hello", "--model", "sonnet")
    assert (answer.status, answer.stdout.strip()) == (0, "Good morning from the provider."), answer

    machine.sign_out()
    assert machine.status()["loggedIn"] is False


def test_the_actor_can_deny_a_sign_in(claude_binary, reference, tmp_path):
    machine = Machine(claude_binary, tmp_path / "home", reference.base)
    assert machine.sign_in("ada", deny=True).saw("denied")
    assert machine.credentials() == {}
