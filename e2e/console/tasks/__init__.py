"""What people come to the console for, each written once: it is done by keyboard alone and again without scripts. A task is a function of
whoever does it (`actors.hands`), in the order of its roles, since often one asks and another answers; it ends by seeing that it is done.

Whom a task changes no other test is about. What would end it for everybody (every session, the envelope of the break-glass account) is
done in a demo of its own.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Task:
    # `owner`, `auditor`, `staff`, or `nobody`, who is not signed in
    roles: tuple[str, ...]
    do: Callable[..., None]
    has_own_demo: bool = False
    ends_session: bool = False

    @property
    def name(self) -> str:
        return self.do.__name__


TASKS: list[Task] = []

# what they make is called so, and what they are asked for they answer with it
TRIED = "Tried by the tests"


def task(*roles: str, has_own_demo=False, ends_session=False):
    def keep(do):
        TASKS.append(Task(roles, do, has_own_demo, ends_session))
        return do

    return keep


from . import doors, own, people, proof, rules  # noqa: E402, F401
