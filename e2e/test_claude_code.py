"""Stock Claude Code at Doorward: signs in, is answered, gets its settings, hears why not, refreshes, and signs out for good."""

import base64
import json
import time

import pytest

from actors import device_sign_in, plain_http
from actors.claude_code import Machine
from policies import DENIED_MODEL, SECRET, SERVED_HEADER

MESSAGES = "/v1/messages"


@pytest.fixture(scope="module")
def signed_in(claude_binary, shared_doorward, tmp_path_factory):
    """Ada's machine after her sign-in, and what she saw."""
    machine = Machine(claude_binary, tmp_path_factory.mktemp("ada") / "home", shared_doorward.base)
    return machine, machine.sign_in("ada")


@pytest.fixture
def ada(signed_in, doorward) -> Machine:
    return signed_in[0]


def sign_in(claude_binary, doorward, tmp_path, login: str) -> Machine:
    machine = Machine(claude_binary, tmp_path / "home", doorward.base)
    machine.sign_in(login)
    return machine


def claims(token: str) -> dict:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_person_signs_in_and_sees_whose_account_it_is(signed_in):
    machine, seen = signed_in
    assert seen.saw("Claude at Northwind."), "the company's notice stands beside the code"
    assert seen.account == "ada@northwind.example"
    status = machine.status()
    assert (status["apiProvider"], status["email"]) == ("gateway", "ada@northwind.example")


def test_the_session_is_doorwards_own_and_short(signed_in, fakes):
    kept = signed_in[0].credentials()
    session = claims(kept["jwt"])
    audience = session["aud"] if isinstance(session["aud"], list) else [session["aud"]]
    assert "claude-gateway" in audience
    assert session["email"] == "ada@northwind.example"
    assert session["exp"] - session["iat"] <= 15 * 60
    # the identity provider's refresh token never leaves the gateway
    refused = plain_http.send(
        fakes.issuer,
        "POST",
        "/token",
        form={
            "grant_type": "refresh_token",
            "refresh_token": kept["idpRefreshToken"],
            "client_id": "doorward",
            "client_secret": "doorward-client-secret-of-the-tests",
        },
    )
    assert refused.status != 200


def test_a_prompt_is_answered_and_nothing_of_the_person_reaches_the_provider(ada, fakes):
    fakes.say("Good morning from the provider.")
    answer = ada.ask("hello")
    assert (answer.status, answer.stdout.strip()) == (0, "Good morning from the provider."), answer
    token = ada.credentials()["jwt"]
    seen = fakes.seen(MESSAGES)
    assert seen
    for request in seen:
        assert request.headers["x-api-key"] == fakes.provider_key
        assert token not in json.dumps(request.headers)
        assert "ada@northwind.example" not in json.dumps(request.headers)


def test_managed_settings_take_effect(ada, doorward):
    assert ada.ask("hello").status == 0
    assert doorward.recorder.seen("/managed/settings")
    asked = doorward.recorder.seen(MESSAGES)
    assert asked and all(request.headers.get(SERVED_HEADER[0]) == SERVED_HEADER[1] for request in asked)


def test_a_model_that_is_not_allowed_is_refused_with_our_sentence_and_asked_for_once(ada, doorward, fakes):
    answer = ada.ask("hello", "--model", DENIED_MODEL)
    assert answer.status != 0
    assert f"The model {DENIED_MODEL} is not allowed for you" in answer.text
    assert len(doorward.recorder.seen(MESSAGES)) == 1
    assert fakes.seen(MESSAGES) == []


def test_a_secret_in_the_prompt_is_refused_with_our_sentence_and_goes_nowhere(ada, doorward, fakes):
    answer = ada.ask(f"what is this key for: {SECRET}")
    assert answer.status != 0
    assert "keeps from leaving" in answer.text
    assert SECRET not in answer.text
    assert len(doorward.recorder.seen(MESSAGES)) == 1
    assert fakes.seen(MESSAGES) == []


def test_a_session_near_its_end_is_refreshed_and_its_refresh_token_changes(ada, doorward):
    before = ada.credentials()
    ada.let_session_age()
    assert ada.ask("hello").status == 0
    after = ada.credentials()
    assert len(doorward.recorder.seen("/oauth/token")) == 1
    assert after["jwt"] != before["jwt"] and after["idpRefreshToken"] != before["idpRefreshToken"]
    assert after["expiresAt"] > time.time() * 1000 + 300_000


def test_a_person_at_their_limit_is_told_so_and_the_client_does_not_insist(claude_binary, doorward, fakes, tmp_path):
    alan = sign_in(claude_binary, doorward, tmp_path, "alan")
    # a minute may end between two requests, hardly between three
    for _ in range(4):
        doorward.recorder.forget()
        answer = alan.ask("hello")
        if answer.status != 0:
            break
    assert "1 request in this minute, the most allowed" in answer.text
    assert len(doorward.recorder.seen(MESSAGES)) == 1


def test_a_person_whose_budget_is_used_up_is_told_so_and_the_client_does_not_insist(
    claude_binary, doorward, fakes, tmp_path
):
    mary = sign_in(claude_binary, doorward, tmp_path, "mary")
    answer = mary.ask("hello")
    assert answer.status != 0
    assert "budget" in answer.text.lower()
    assert len(doorward.recorder.seen(MESSAGES)) == 1
    assert fakes.seen(MESSAGES) == []


def test_a_person_without_a_grant_is_refused_without_retries(claude_binary, doorward, fakes, tmp_path):
    ken = sign_in(claude_binary, doorward, tmp_path, "ken")
    answer = ken.ask("hello")
    assert answer.status != 0
    assert "No rule lets this person or service use Claude" in answer.text
    assert len(doorward.recorder.seen(MESSAGES)) == 1
    assert fakes.seen(MESSAGES) == []


def test_an_outage_of_the_provider_is_not_shown_as_a_bad_login(ada, fakes):
    fakes.fault("status=401")
    answer = ada.ask("hello")
    assert answer.status != 0
    assert "log in" not in answer.text.lower() and "/login" not in answer.text
    fakes.heal()
    assert ada.ask("hello").status == 0


def test_a_machine_without_a_sign_in_uses_the_companys_own_token(claude_binary, doorward, fakes, tmp_path):
    machine = Machine(claude_binary, tmp_path / "home", doorward.base)
    machine.variables = {
        "CLAUDE_CODE_USE_GATEWAY": "1",
        "ANTHROPIC_BASE_URL": doorward.base,
        "ANTHROPIC_AUTH_TOKEN": fakes.id_token("ada", "claude-desktop"),
    }
    answer = machine.ask("hello", "--model", "sonnet")
    assert answer.status == 0, answer


def test_signing_out_ends_the_session_at_once(claude_binary, doorward, tmp_path):
    machine = sign_in(claude_binary, doorward, tmp_path, "ada")
    kept = machine.credentials()
    bearer = {"authorization": f"Bearer {kept['jwt']}"}
    assert plain_http.send(doorward.base, "GET", "/managed/settings", headers=bearer).status == 200

    machine.sign_out()
    assert machine.status()["loggedIn"] is False
    assert plain_http.send(doorward.base, "GET", "/managed/settings", headers=bearer).status == 401
    refused = device_sign_in.refresh(doorward.base, kept["idpRefreshToken"])
    assert (refused.status, refused.json["error"]) == (401, "invalid_grant")


def test_a_revoked_person_is_refused_at_the_next_request(claude_binary, doorward, tmp_path):
    machine = sign_in(claude_binary, doorward, tmp_path, "grace")
    bearer = {"authorization": f"Bearer {machine.credentials()['jwt']}"}
    path = "/managed/settings"
    assert plain_http.send(doorward.base, "GET", path, headers=bearer).status == 200
    doorward.command("people", "revoke", "grace@northwind.example", "--reason", "left the company")
    try:
        deadline = time.monotonic() + 10
        while plain_http.send(doorward.base, "GET", path, headers=bearer).status != 401:
            assert time.monotonic() < deadline, "the revocation took no effect"
        assert machine.ask("hello").status != 0
    finally:
        doorward.command("people", "restore", "grace@northwind.example", "--reason", "came back")
