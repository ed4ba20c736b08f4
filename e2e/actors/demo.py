"""`doorward demo` as a newcomer runs it: one command, its story on the terminal, then a gateway that stays up.

It ends with us.
"""

import json
import pathlib
import subprocess

from .terminal import without_claude

STAYS = "It stays up until you press Ctrl-C"
STOP_SECONDS = 30


class Demo:
    def __init__(self, program: pathlib.Path, home: pathlib.Path, *options: str):
        self._program, self._described, self._options = program, home / "demo.json", options
        self.story: list[str] = []

    def __enter__(self) -> "Demo":
        self._process = subprocess.Popen(
            [self._program, "demo", "--describe-to", self._described, *self._options],
            env=without_claude(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in self._process.stdout:
            if STAYS in line:
                about = json.loads(self._described.read_text())
                self.base: str = about["base_url"]
                self.about: dict = about
                self.ledger = pathlib.Path(about["ledger_dir"])
                return self
            self.story.append(line.rstrip())
        raise AssertionError("the demo ended before it was up:\n" + "\n".join(self.story))

    def __exit__(self, *_) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise AssertionError(f"the demo did not stop in {STOP_SECONDS} s") from None

    def command(self, *arguments: str) -> str:
        """What a subcommand says, on the same installation."""
        done = subprocess.run(
            [self._program, *arguments, "--config", self.about["config"]],
            env=without_claude(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"doorward {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def wants(self, who: str, approver: str, member: int) -> str:
        """Somebody's Claude wants to write to a member of the association; the id of the approval that it needs."""
        return self._example("wants", who, approver, str(member))

    def expires(self, approval: str) -> str:
        """The call that waits for an approval is made again when its time is over; the id of the approval that it needs then."""
        return self._example("expires", approval)

    def _example(self, name: str, *arguments: str) -> str:
        program = self._program.parent / "examples" / name
        done = subprocess.run([program, self.about["config"], *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self) -> int:
        """Ends it as Ctrl-C would; its exit code."""
        self.__exit__()
        return self._process.returncode

    def verify_ledger(self) -> subprocess.CompletedProcess:
        """The offline check of everything so far."""
        return subprocess.run(
            [self._program, "ledger", "verify", self.ledger], capture_output=True, text=True, timeout=60
        )
