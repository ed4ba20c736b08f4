"""The demo with a stock client: the lines it prints are true, and its ledger holds after somebody used it."""

from actors.claude_code import Machine
from actors.demo import Demo


def test_stock_claude_code_signs_in_at_the_demo_and_its_ledger_verifies(claude_binary, programs, tmp_path):
    with Demo(programs / "doorward", tmp_path) as demo:
        machine = Machine(claude_binary, tmp_path / "home", demo.base)
        assert machine.sign_in("ada").account == "ada@northwind.example"
        answer = machine.ask("hello", "--model", "sonnet")
        assert answer.status == 0 and answer.stdout.strip(), answer
        # its connector was really called, and somebody's yes was good for one call
        story = "\n".join(demo.story)
        for proved in [
            "the CRM changed it once, the next try asks anew",
            "denied by nobody: no answer in",
            "there is nothing to approve",
        ]:
            assert proved in story, story
        checked = demo.verify_ledger()
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert demo.stop() == 0
