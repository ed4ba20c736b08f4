"""Doorward as a client of connectors: the official conformance suite for clients, whose servers are Doorward's connectors. A person connects
their own account at each that wants it, by the page that Doorward names, and calls a tool there.
"""

import contextlib
import json
import pathlib
import traceback
import urllib.parse
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.certificate import Certificate
from actors.doorward import Doorward
from actors.mcp import Node
from actors.staff import CONNECTED, Staff, text_of
from actors.suite import ClientSuite, Job

REVISIONS = ["2025-11-25", "2026-07-28"]
# how often somebody follows the same word to connect
CONNECTS_MAX = 4
# who connects; whoever connects more than twenty times in ten minutes is asked to wait
PEOPLE, GUARDED = ["ada", "grace", "alan"], ["engineering", "contractors"]
# who has what is open to everyone, as one
WITH_ALL, OPEN = "mary", ["interns"]

# What is not for a gateway, and why.
NOT_OURS = {
    "elicitation-sep1034-client-defaults": "what a person answers is their client's to fill in; questions and answers pass as they are",
    "sse-retry": "a stream passes with its ids, and is its client's own to take up again",
    "http-custom-headers": "the values are its client's, who alone knows the definition it calls by; headers pass as they are",
    "http-invalid-tool-headers": "which definition to believe is for who calls by it; definitions pass as they are",
    "auth/client-credentials-jwt": "an account of Doorward's own proves itself by a secret, not by a key yet",
    "auth/wif-jwt-bearer": "an account of Doorward's own proves itself by a secret, not by the word of the platform it runs on",
    "auth/enterprise-managed-authorization": "no identity provider is asked to assert a person to a connector yet",
    "auth/dpop": "tokens are bearer tokens, and an answer of any other kind is refused",
    "auth/dpop-nonce": "tokens are bearer tokens, and an answer of any other kind is refused",
}
# what a person reads who is not let go on
REFUSED = {
    "auth/resource-mismatch": "another resource than the one asked",
    "auth/metadata-issuer-mismatch": "an authorization server that says it is another one",
    "auth/iss-supported-missing": "without the word of its authorization server",
    "auth/iss-wrong-issuer": "the word of another authorization server",
    "auth/iss-unexpected": "the word of another authorization server",
    "auth/iss-normalized": "the word of another authorization server",
    "auth/scope-retry-limit": "connecting it anew would change nothing",
}
# how many scenarios of each revision are a gateway's
OURS = {"2025-11-25": 18, "2026-07-28": 32}
# where Doorward comes as itself, for everybody
OWN_ACCOUNT = "auth/client-credentials-basic"


def name_of(job: Job) -> str:
    """As which connector it is known."""
    year, scenario = job.revision[2:4], job.scenario.removeprefix("auth/").replace("_", "-")
    return f"y{year}-{scenario}"[:32].rstrip("-")


def is_guarded(job: Job) -> bool:
    return job.scenario.startswith("auth/")


def credential(job: Job) -> str:
    if job.scenario == OWN_ACCOUNT:
        return "service-account"
    return "grant" if is_guarded(job) else "none"


def prefix_of(job: Job) -> str:
    """What stands before the names of its tools where all connectors are one."""
    return f"p{zlib.crc32(name_of(job).encode()):08x}"


def rules(jobs: list[Job]) -> str:
    """A connector for each server. What is guarded is for those who connect, the rest for one person, who has all of it as one."""
    connectors = "".join(
        f"""[[connector]]
name = "{name_of(job)}"
url = {json.dumps(job.url)}
prefix = "{prefix_of(job)}"
definitions = "warn"
credential = "{credential(job)}"
who = {{ groups = {json.dumps(GUARDED if is_guarded(job) else OPEN)} }}
"""
        for job in jobs
    )
    return f'{connectors}[[action]]\nname = "everything"\nconnector = "*"\nactions = ["*"]\nstate = "allow"\n'


def account(job: Job) -> str:
    """What an account has besides: to whom its secret goes, where its token goes, and what for."""
    origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(job.url))
    path = urllib.parse.urlsplit(job.url).path
    with urllib.request.urlopen(f"{origin}/.well-known/oauth-protected-resource{path}") as answer:
        issuer = json.load(answer)["authorization_servers"][0]
    return f'issuer = "{issuer}"\norigin = "{origin}"\nscopes = ["mcp:basic"]\n'


def named(jobs: list[Job], origins: set[str], home: pathlib.Path) -> str:
    """What `doorward.toml` says of them: servers of this machine that connectors may name, and the clients that were registered by hand."""
    issuers = "".join(f'[[connector_issuer]]\norigin = "{origin}"\n' for origin in sorted(origins))
    known = ""
    for job in jobs:
        if job.scenario in ("auth/pre-registration", OWN_ACCOUNT):
            secret = home / f"secret-of-{name_of(job)}"
            secret.write_text(job.context["client_secret"])
            secret.chmod(0o600)
            known += f'[[connector_client]]\nconnector = "{name_of(job)}"\n'
            known += f'client_id = "{job.context["client_id"]}"\nclient_secret = "file:{secret}"\n'
            known += account(job) if job.scenario == OWN_ACCOUNT else ""
    return issuers + known


def connected(job: Job, person: Staff) -> str:
    """Calls a tool as a client does whose person follows every word to connect; what is read in the end."""
    name = name_of(job)
    for _ in range(CONNECTS_MAX):
        client = person.client(f"/mcp/{name}", job.revision)
        client.tools()
        said = client.call("test-tool")
        if f"{person.base}/connect/{name}" not in text_of(said):
            return text_of(said) or json.dumps(said)
        page = person.connects(name)
        if CONNECTED not in page.text:
            return page.text
    return "asked to connect for ever"


class AsOne:
    """All connectors as one, where Doorward is the client of each: one of them, as somebody's client sees it there."""

    def __init__(self, job: Job, person: Staff):
        self._prefix = prefix_of(job)
        self.client = person.client("/mcp", job.revision, elicitation={"form": {}})

    def own(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    def schema(self, tool: str) -> dict:
        return next(one["inputSchema"] for one in self.client.tools() if one["name"] == self.own(tool))

    def call(self, tool: str, arguments: dict | None = None, **more) -> dict:
        return self.client.call(self.own(tool), arguments, **more)["result"]

    def lists(self) -> None:
        assert self.client.tools()

    def adds(self) -> None:
        self.call("add_numbers", {"a": 5, "b": 3})

    def does_everything(self) -> None:
        self.call("test_headers")
        assert self.client.ask("resources/list", {})["result"]["resources"]
        uri = f"{self._prefix}+file:///path/to/file%20name.txt"
        self.client.ask("resources/read", {"uri": uri}, uri)
        assert self.client.ask("prompts/list", {})["result"]["prompts"]
        prompt = self.own("test_prompt")
        self.client.ask("prompts/get", {"name": prompt}, prompt)

    def echoes_a_schema(self) -> None:
        self.call("json_schema_echo", {"schema": self.schema("json_schema_2020_12_tool")})

    def answers_questions(self) -> None:
        for tool in ("test_mrtr_echo_state", "test_mrtr_no_state"):
            asked = self.call(tool)
            assert asked["resultType"] == "input_required", asked
            said = {key: {"action": "accept", "content": {"confirmed": True}} for key in asked["inputRequests"]}
            state = {"requestState": asked["requestState"]} if "requestState" in asked else {}
            self.call("test_mrtr_unrelated")
            self.call(tool, inputResponses=said, **state)
        self.call("test_mrtr_no_result_type")


OPEN_JOBS = {
    "initialize": AsOne.lists,
    "tools_call": AsOne.adds,
    "request-metadata": AsOne.lists,
    "http-standard-headers": AsOne.does_everything,
    "json-schema-ref-no-deref": AsOne.lists,
    "json-schema-2020-12-preservation": AsOne.echoes_a_schema,
    "sep-2322-client-request-state": AsOne.answers_questions,
}


def shared(jobs: list[Job]) -> dict[str, list[Job]]:
    """Whose each is: what is guarded goes round among those who connect."""
    guarded = [job for job in jobs if is_guarded(job) and job.scenario not in NOT_OURS]
    turns = {login: guarded[turn :: len(PEOPLE)] for turn, login in enumerate(PEOPLE)}
    return turns | {WITH_ALL: [job for job in jobs if job not in guarded]}


def did(job: Job, person: Staff) -> str:
    """Whatever the scenario is about, done; what is read in the end."""
    if job.scenario in NOT_OURS:
        return "not ours"
    if is_guarded(job):
        return connected(job, person)
    OPEN_JOBS[job.scenario](AsOne(job, person))
    return "done"


@pytest.fixture(scope="module")
def outcomes(programs, node_packages, own_fakes, tmp_path_factory):
    """Doorward's address; what was read in the end and the suite's checks, by revision and scenario."""
    folder = tmp_path_factory.mktemp("upstream")
    home = folder / "doorward"
    home.mkdir()
    certificate = Certificate(folder / "tls")
    authority = str(certificate.authority)
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", authority)
        runs = [ClientSuite(Node(node_packages), revision, folder / revision, NODE_EXTRA_CA_CERTS=authority) for revision in REVISIONS]
        suites = [stack.enter_context(run) for run in runs]
        jobs = [job for suite in suites for job in suite.jobs()]
        origins = set().union(*(suite.origins() for suite in suites))
        more = named(jobs, origins, home)
        read = {}

        def work(base: str, login: str, own: list[Job]) -> None:
            person = Staff(base, login)
            for job in own:
                try:
                    said = did(job, person)
                except Exception:
                    said = traceback.format_exc()
                read[job.revision, job.scenario] = said
                job.done(0, said)

        with Doorward(programs / "doorward", home, own_fakes, rules(jobs), certificate, more) as doorward, ThreadPoolExecutor() as pool:
            for done in [pool.submit(work, doorward.base, login, own) for login, own in shared(jobs).items()]:
                done.result()
        # only now: servers end when nobody is connected to them any more
        checks = {(suite.revision, scenario): checks for suite in suites for scenario, checks in suite.verdicts().items()}
        return doorward.base, read, checks


def faults(scenario: str, checks: list[dict], base: str) -> list[str]:
    """What the suite finds wrong, a line each."""
    found = []
    for check in checks:
        # it knows one document by heart, and warns of every other
        is_own_document = check.get("details", {}).get("actualClientId") == f"{base}/connect/client.json"
        if check["id"] == "cimd-client-id-used" and is_own_document:
            continue
        if check["status"] in ("FAILURE", "WARNING"):
            found.append(f"{scenario}: {check['status']} {check['id']}: {check.get('errorMessage') or check['description']}")
    if not any(check["status"] == "SUCCESS" for check in checks):
        found.append(f"{scenario}: nothing was looked at")
    return found


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_conformance_suite_for_clients_finds_no_fault(outcomes, revision):
    base, read, verdicts = outcomes
    ran = {scenario: checks for (of, scenario), checks in verdicts.items() if of == revision}
    ours = {scenario: checks for scenario, checks in ran.items() if scenario not in NOT_OURS}
    passed = sum(check["status"] == "SUCCESS" for checks in ours.values() for check in checks)
    print(f"conformance client --requirements {revision}: {len(ours)} of {len(ran)} scenarios are a gateway's, {passed} checks pass")
    found = [fault for scenario, checks in ours.items() for fault in faults(scenario, checks, base)]
    assert found == [], "\n".join(found + [f"{scenario}: {read[revision, scenario]}" for scenario in ours])
    assert len(ours) == OURS[revision], sorted(ours)


@pytest.mark.parametrize("revision", REVISIONS)
def test_whoever_connects_gets_to_their_tool_or_reads_why_not(outcomes, revision):
    _, read, _ = outcomes
    guarded = {scenario: said for (of, scenario), said in read.items() if of == revision and scenario not in NOT_OURS}
    for scenario, said in guarded.items():
        if scenario in OPEN_JOBS:
            assert said == "done", (scenario, said)
        elif scenario in REFUSED:
            assert REFUSED[scenario] in said, (scenario, said)
        else:
            assert said == "test", (scenario, said)
