"""`doorward setup` in an empty folder, and the person who walks through it with Chromium. Every click and every field that is filled counts
as one human step.
"""

import pathlib
import subprocess
import threading

from .chromium import Window
from .doorward import free_port
from .terminal import without_claude

STOP_SECONDS = 30


class FirstRun:
    """The program, from its link to its end."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config = folder, folder / "doorward.toml"
        self._program, port = program, free_port()
        self.base = f"http://localhost:{port}"
        self._log = open(folder.parent / "first-run.log", "w", encoding="utf-8")
        self._process = subprocess.Popen(
            [program, "setup", "--config", self.config, "--listen", f"127.0.0.1:{port}"],
            env=without_claude(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.link = next(line.strip() for line in self._process.stdout if "/setup?key=" in line)
        # whatever else it says must not fill the pipe
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def __enter__(self) -> "FirstRun":
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def command(self, *arguments: str) -> str:
        """Runs a subcommand against what was set up and returns what it printed."""
        done = subprocess.run(
            [self._program, *arguments, "--config", self.config],
            env=without_claude(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"doorward {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


class Walker:
    """Somebody who has never done this."""

    def __init__(self, window: Window):
        self.window, self.steps = window, []

    def open(self, address: str) -> None:
        self.steps.append("opens the link")
        self.window.page.goto(address)

    def fill(self, label: str, value: str) -> None:
        self.steps.append(f"fills {label}")
        self.window.page.get_by_label(label, exact=True).fill(value)

    def tick(self, label: str) -> None:
        self.steps.append(f"chooses {label}")
        self.window.page.get_by_label(label, exact=True).check()

    def press(self, name: str, role: str = "button") -> None:
        self.steps.append(f"presses {name}")
        self.window.press(name, role)

    def is_at(self, path: str) -> None:
        self.window.page.wait_for_url(f"**{path}")

    def reads(self, *texts: str) -> None:
        """Waits until each of these stands on the page."""
        for text in texts:
            self.window.page.locator("main").get_by_text(text).first.wait_for()
