"""A terminal with a person in front of it: runs a program, keeps its screen, presses keys, waits for what appears.

It never waits for time to pass, only for the program to write something. Used by the actors that drive a full-screen program.
"""

import os
import re
import time

import pexpect
import pyte

COLUMNS = 160
ROWS = 60
KEYS = {"enter": "\r", "up": "\x1b[A", "down": "\x1b[B", "escape": "\x1b", "interrupt": "\x03"}


class Ended(Exception):
    """The program ended while something else was expected of it."""


class Terminal:
    def __init__(self, command: list[str], *, env: dict[str, str], cwd: str):
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            command[0],
            command[1:],
            env=env | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)},
            cwd=cwd,
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            codec_errors="replace",
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        self._child.close(force=True)

    def text(self) -> str:
        """The screen as it is now, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self._screen.display).strip()

    def press(self, *keys: str) -> None:
        """Presses named keys (see KEYS) or types text, one after the other."""
        for key in keys:
            self._child.send(KEYS.get(key, key))

    def read(self, seconds: float) -> bool:
        """Takes in what the program writes, at most this long; false when it wrote nothing."""
        try:
            self._stream.feed(self._child.read_nonblocking(65536, timeout=seconds))
            return True
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            raise Ended(f"the program ended; its last screen:\n{self.text()}") from None

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match:
        """Waits until the screen holds the pattern."""
        deadline = time.monotonic() + seconds
        while True:
            if found := re.search(pattern, self.text()):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{pattern!r} did not appear in {seconds} s on:\n{self.text()}")
            self.read(min(left, 1.0))

    def wait_for_end(self, seconds: float = 30) -> None:
        """Waits until the program has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.read(1.0)
            except Ended:
                return
        raise AssertionError(f"still running after {seconds} s:\n{self.text()}")

    @property
    def pid(self) -> int:
        return self._child.pid


def without_claude(environment: dict[str, str] = os.environ) -> dict[str, str]:
    """Our environment without anything that would steer a Claude client."""
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    return {name: environment[name] for name in kept if name in environment}
