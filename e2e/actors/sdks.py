"""Anthropic's own SDKs as a programmer uses them, behind one interface: Python in this process, TypeScript through Node.

They keep their default retries unless told otherwise: what a refusal sets off in them is part of what is tested.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys

from .terminal import without_claude

CREDENTIALS = ("auth_token", "api_key", "x-api-key")
SCRIPTS = pathlib.Path(__file__).parent.parent / "sdk"
SECONDS = 90


class Refused(Exception):
    """The error a programmer catches."""

    def __init__(self, name: str, status: int | None, kind: str | None, message: str):
        super().__init__(f"{name} {status} {kind}: {message}")
        self.name, self.status, self.kind, self.message = name, status, kind, message


@dataclasses.dataclass
class Reply:
    """An answer, whole or as it was streamed."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    stop_reason: str
    # names of the events, repeats left out; empty for a whole answer
    events: list[str]
    request_id: str | None


class Sdk:
    """One SDK with one credential, `auth_token`, `api_key` or an `x-api-key` header, at one gateway."""

    def __init__(self, command: list[str], base: str, credential: str, token: str, **options):
        self._command = command
        self._job = {"base": base, "credential": credential, "token": token, "options": options}

    def message(self, model: str, prompt: str) -> Reply:
        return Reply(**self._do("message", model=model, prompt=prompt))

    def stream(self, model: str, prompt: str) -> Reply:
        return Reply(**self._do("stream", model=model, prompt=prompt))

    def count(self, model: str, prompt: str) -> int:
        return self._do("count", model=model, prompt=prompt)

    def models(self) -> list[str]:
        return self._do("models")

    def _do(self, what: str, **details):
        done = subprocess.run(
            self._command,
            input=json.dumps(self._job | {"do": what} | details),
            env=without_claude(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        if refusal := said.get("refused"):
            raise Refused(**refusal)
        return said["answer"]


def python(base: str, credential: str, token: str, **options) -> Sdk:
    return Sdk([sys.executable, str(SCRIPTS / "job.py")], base, credential, token, **options)


def typescript(node_packages: pathlib.Path, base: str, credential: str, token: str, **options) -> Sdk:
    command = ["node", str(SCRIPTS / "job.mjs"), str(node_packages)]
    return Sdk(command, base, credential, token, **options)
