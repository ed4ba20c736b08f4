"""The reference gateway answers as the conversation expects: the yardstick is straight before anything is held to it."""

from differential.reference import ADMIN_KEY
from differential.requests import PERSON, Conversation, hold


def test_the_reference_gateway_answers_every_request_as_noted(reference, fakes):
    talk = Conversation(reference.base, ADMIN_KEY, fakes.people[PERSON]["sub"])
    hold(talk)
    answered = {name: answer.status for name, answer in talk.said.items()}
    assert answered == talk.expected
