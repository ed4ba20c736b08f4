"""Anthropic's own SDKs at Doorward: both languages, every way of naming a credential, and what a refusal looks like in code."""

import pytest

from actors import device_sign_in, sdks
from policies import ALLOWED_MODEL, DENIED_MODEL, SECRET

MESSAGES = "/v1/messages"
EVENTS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


@pytest.fixture(scope="module")
def sessions(shared_doorward):
    """Sessions by login, each made once."""
    made = {}

    def session(login: str) -> str:
        if login not in made:
            made[login] = device_sign_in.sign_in(shared_doorward.base, login).access_token
        return made[login]

    return session


@pytest.fixture(params=["python", "typescript"])
def sdk(request, doorward, node_packages):
    """Makes a client of one language from a token."""

    def make(token: str, credential: str = "auth_token", **options) -> sdks.Sdk:
        if request.param == "python":
            return sdks.python(doorward.base, credential, token, **options)
        return sdks.typescript(node_packages, doorward.base, credential, token, **options)

    return make


@pytest.mark.parametrize("credential", sdks.CREDENTIALS)
def test_an_sdk_streams_counts_and_lists_with_every_kind_of_credential(sdk, sessions, fakes, credential):
    claude = sdk(sessions("ada"), credential)
    fakes.say("Streamed from the provider.")
    reply = claude.stream(ALLOWED_MODEL, "hello")
    assert (reply.text, reply.stop_reason, reply.events) == ("Streamed from the provider.", "end_turn", EVENTS)
    assert reply.request_id == fakes.seen(MESSAGES)[-1].request_id
    assert claude.count(ALLOWED_MODEL, "hello") > 0
    models = claude.models()
    assert ALLOWED_MODEL in models and DENIED_MODEL not in models


def test_an_sdk_gets_a_whole_answer(sdk, sessions, fakes):
    fakes.say("Whole from the provider.")
    reply = sdk(sessions("ada")).message(ALLOWED_MODEL, "hello")
    assert (reply.text, reply.model) == ("Whole from the provider.", ALLOWED_MODEL)
    assert reply.input_tokens > 0 and reply.output_tokens > 0


def test_the_companys_id_token_needs_no_sign_in_at_doorward(sdk, fakes):
    claude = sdk(fakes.id_token("ada", "claude-desktop"))
    assert claude.message(ALLOWED_MODEL, "hello").stop_reason == "end_turn"


def refused(doorward, act) -> sdks.Refused:
    """The refusal of a call that was sent exactly once."""
    doorward.recorder.forget()
    with pytest.raises(sdks.Refused) as caught:
        act()
    assert len(doorward.recorder.seen(MESSAGES)) == 1, "a refusal of ours is never retried"
    return caught.value


def test_a_model_that_is_not_allowed_is_a_bad_request_with_our_sentence(sdk, sessions, doorward, fakes):
    refusal = refused(doorward, lambda: sdk(sessions("ada")).stream(DENIED_MODEL, "hello"))
    assert (refusal.name, refusal.status, refusal.kind) == ("BadRequestError", 400, "policy_blocked")
    assert f"The model {DENIED_MODEL} is not allowed for you" in refusal.message
    assert fakes.seen(MESSAGES) == []


def test_a_secret_in_the_prompt_is_a_bad_request_with_our_sentence(sdk, sessions, doorward, fakes):
    refusal = refused(doorward, lambda: sdk(sessions("ada")).message(ALLOWED_MODEL, f"explain {SECRET}"))
    assert (refusal.name, refusal.kind) == ("BadRequestError", "policy_blocked")
    assert "keeps from leaving" in refusal.message
    assert SECRET not in refusal.message
    assert fakes.seen(MESSAGES) == []


@pytest.mark.parametrize(
    ("login", "sentence"),
    [("ken", "No rule lets this person or service use Claude"), ("grace", "The program sdk is not allowed")],
)
def test_a_person_or_program_without_permission_is_denied(sdk, sessions, doorward, login, sentence):
    refusal = refused(doorward, lambda: sdk(sessions(login)).message(ALLOWED_MODEL, "hello"))
    assert (refusal.name, refusal.status, refusal.kind) == ("PermissionDeniedError", 403, "permission_error")
    assert sentence in refusal.message


def test_a_spent_budget_is_a_rate_limit_of_the_billing_kind(sdk, sessions, doorward, fakes):
    refusal = refused(doorward, lambda: sdk(sessions("mary")).message(ALLOWED_MODEL, "hello"))
    assert (refusal.name, refusal.status, refusal.kind) == ("RateLimitError", 429, "billing_error")
    assert "budget" in refusal.message.lower()
    assert fakes.seen(MESSAGES) == []


def test_too_many_requests_are_a_rate_limit_that_is_not_retried(sdk, sessions, doorward):
    claude = sdk(sessions("alan"))

    def until_refused() -> None:
        # a minute may end between two requests, hardly between three
        for _ in range(4):
            doorward.recorder.forget()
            claude.message(ALLOWED_MODEL, "hello")

    refusal = refused(doorward, until_refused)
    assert (refusal.name, refusal.status, refusal.kind) == ("RateLimitError", 429, "rate_limit_error")
    assert "1 request in this minute, the most allowed" in refusal.message


def test_an_unknown_token_is_an_authentication_error(sdk, doorward):
    refusal = refused(doorward, lambda: sdk("not-a-token").message(ALLOWED_MODEL, "hello"))
    assert (refusal.name, refusal.status, refusal.kind) == ("AuthenticationError", 401, "authentication_error")


def test_an_overloaded_provider_is_retried_as_its_own_word_asks(sdk, sessions, doorward, fakes):
    fakes.fault("status=529")
    with pytest.raises(sdks.Refused) as caught:
        sdk(sessions("ada"), max_retries=1).message(ALLOWED_MODEL, "hello")
    assert (caught.value.status, caught.value.kind) == (529, "overloaded_error")
    assert len(doorward.recorder.seen(MESSAGES)) == 2


def test_the_gateways_own_bad_key_is_never_shown_as_the_persons_bad_login(sdk, sessions, doorward, fakes):
    fakes.fault("status=401")
    refusal = refused(doorward, lambda: sdk(sessions("ada")).message(ALLOWED_MODEL, "hello"))
    assert refusal.status == 502
    assert "signing in again does not help" in refusal.message
