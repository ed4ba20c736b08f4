"""A connector that wants each person's own account, and for calls more than it asks for at first, with its authorization server, as a process
beside the tests. Whoever comes to it is let in at once, as nobody in particular. It ends with us, because it reads our pipe. See crates/testkit/examples/guarded.rs for the orders.
"""

import json
import pathlib
import subprocess

SOMEBODY = ""
# what its calls need
MORE = "items.use"


class Guarded:
    def __init__(self, program: pathlib.Path):
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)

    def called(self) -> list[str]:
        """Which tools were called, in order."""
        return [tool for _, tool in self._order("called")]

    def granted(self) -> int:
        """How many grants are good."""
        return len(self._order("granted"))

    def forget(self) -> None:
        """Ends every grant, as people do at the connector itself."""
        self._order("forget", who=SOMEBODY)

    def _order(self, do: str, **details):
        self._process.stdin.write(json.dumps({"do": do} | details) + "\n")
        said = json.loads(self._process.stdout.readline())
        assert "mistake" not in said, said["mistake"]
        return said["answer"]
