"""Provisioning at the real `doorward serve`: a conformance tester from PyPI, and what Okta and Microsoft say that their directories send.

The steps of Okta's SPEC test and the requests of Microsoft's documentation are told here in our own words.
"""

import uuid

import pytest
import scim2_tester
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient

from actors.directory import ENTERPRISE, ERROR, GROUP, LIST, USER, Directory


@pytest.fixture(scope="module")
def token(shared_doorward):
    return shared_doorward.command("scim-token", "create", "tests", "--issuer", "northwind").strip()


@pytest.fixture
def directory(doorward, token):
    return Directory(doorward.base, token)


def name() -> str:
    return f"{uuid.uuid4().hex[:12]}@northwind.example"


def entra_user(user_name: str, **more):
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": str(uuid.uuid4()),
        "userName": user_name,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": user_name}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "given family", "familyName": "family", "givenName": "given"},
        "roles": [],
    } | more


def made(directory, path: str, body) -> dict:
    answer = directory.post(path, body)
    assert answer.status == 201, answer.text
    return answer.json


def test_the_conformance_tester_finds_no_error(doorward, token):
    with Client(base_url=f"{doorward.base}/scim/v2", headers={"authorization": f"Bearer {token}"}, timeout=60) as http:
        client = SyncSCIMClient(http)
        client.discover()
        results = scim2_tester.check_server(client)
    wrong = [result for result in results if result.status in (scim2_tester.Status.ERROR, scim2_tester.Status.CRITICAL)]
    assert not wrong, "\n".join(f"{result.title}: {result.reason}" for result in wrong)
    assert sum(result.status is scim2_tester.Status.SUCCESS for result in results) > 100


def test_what_okta_asks_of_every_server_holds(directory):
    okta = {"givenName": "Okta", "familyName": "Tester"}
    first = name()
    made(directory, "/Users", entra_user(first))
    page = directory.get("/Users", count=1, startIndex=1)
    assert page.status == 200 and LIST in page.json["schemas"]
    for number in ("itemsPerPage", "startIndex", "totalResults"):
        assert isinstance(page.json[number], int)
    known = page.json["Resources"][0]
    one = directory.get(f"/Users/{known['id']}")
    assert one.status == 200 and one.json["id"] == known["id"]
    for path in ("name.familyName", "name.givenName", "userName"):
        value = one.json
        for part in path.split("."):
            value = value[part]
        assert value
    assert one.json["emails"][0]["value"] and "active" in one.json
    nobody = directory.get("/Users", filter=f'userName eq "{name()}"')
    assert (nobody.status, nobody.json["totalResults"]) == (200, 0)
    unknown = directory.get("/Users/010101001010101011001010101011")
    assert unknown.status == 404 and unknown.json["detail"] and ERROR in unknown.json["schemas"]
    user_name = name()
    body = {
        "schemas": [USER],
        "userName": user_name,
        "name": okta,
        "emails": [{"primary": True, "value": user_name, "type": "work"}],
        "displayName": "Okta Tester",
        "active": True,
    }
    new = made(directory, "/Users", body)
    assert (new["active"], new["name"], new["userName"]) == (True, okta, user_name) and USER in new["schemas"]
    assert directory.get(f"/Users/{new['id']}").json["userName"] == user_name
    again = directory.post("/Users", body)
    assert again.status == 409 and again.json["scimType"] == "uniqueness"
    upper = directory.get("/Users", filter=f'userName eq "{user_name.upper()}"')
    assert (upper.status, upper.json["totalResults"]) == (200, 1)
    groups = directory.get("/Groups")
    assert groups.status == 200
    stranger = Directory(directory.base.removesuffix("/scim/v2"), "wrong").get("/Users", startIndex=1, count=1)
    assert stranger.status == 401 and stranger.json["status"] == "401" and stranger.json["detail"]
    assert ERROR in stranger.json["schemas"]
    lost = directory.get("/Users/00919288221112222")
    assert lost.status == 404 and lost.json["status"] == "404"


def test_a_custom_app_of_okta_changes_everything_by_put(directory):
    user = made(directory, "/Users", entra_user(name()))
    group = made(directory, "/Groups", {"schemas": [GROUP], "displayName": name()})
    whole = directory.get(f"/Users/{user['id']}").json
    put = directory.send("PUT", f"/Users/{user['id']}", whole | {"title": "Dr", "password": "never kept"})
    assert put.status == 200 and put.json["title"] == "Dr" and "password" not in put.json
    members = [{"value": user["id"], "display": user["userName"]}]
    body = {"schemas": [GROUP], "id": group["id"], "displayName": group["displayName"], "members": members}
    put = directory.send("PUT", f"/Groups/{group['id']}", body)
    assert put.status == 200 and [member["value"] for member in put.json["members"]] == [user["id"]]
    whole = directory.get(f"/Users/{user['id']}").json
    assert [mine["value"] for mine in whole["groups"]] == [group["id"]]
    off = directory.send("PUT", f"/Users/{user['id']}", whole | {"active": False})
    assert off.status == 200 and off.json["active"] is False
    assert directory.get(f"/Users/{user['id']}").status == 200, "inactive people are still there"
    # a change of a profile that does not speak of it brings nobody back
    silent = {key: value for key, value in whole.items() if key != "active"}
    assert directory.send("PUT", f"/Users/{user['id']}", silent).json["active"] is False


def test_an_app_of_oktas_catalogue_changes_groups_by_patch(directory):
    users = [made(directory, "/Users", entra_user(name()))["id"] for _ in range(3)]
    group = made(directory, "/Groups", {"schemas": [GROUP], "displayName": name(), "members": []})
    path = f"/Groups/{group['id']}"

    def members():
        return {member["value"] for member in directory.get(path).json.get("members", [])}

    full = {"op": "replace", "path": "members", "value": [{"value": user} for user in users]}
    assert directory.patch(path, full).status == 204 and members() == set(users)
    renamed = {"op": "replace", "value": {"id": group["id"], "displayName": name()}}
    assert directory.patch(path, renamed).status == 204 and members() == set(users)
    swap = (
        {"op": "remove", "path": f'members[value eq "{users[0]}"]'},
        {"op": "add", "path": "members", "value": [{"value": "usr_that_is_nobody", "display": "x"}]},
    )
    assert directory.patch(path, *swap).status == 204 and members() == set(users[1:])
    empty = {"op": "replace", "path": "members", "value": []}
    assert directory.patch(path, empty).status == 204 and members() == set()
    off = {"op": "replace", "value": {"active": False}}
    assert directory.patch(f"/Users/{users[0]}", off).json["active"] is False
    assert directory.send("DELETE", path).status == 204 and directory.get(path).status == 404


@pytest.mark.parametrize("query", ["", "?aadOptscim062020", "?aadOptscim062020=true"])
def test_a_cycle_of_entra_goes_as_microsoft_documents_it(directory, query):
    nobody = directory.get("/Users", filter=f'userName eq "{uuid.uuid4()}"')
    assert (nobody.status, nobody.json["totalResults"], nobody.json["Resources"]) == (200, 0, [])
    answer = directory.post(f"/Users{query}", entra_user(name()))
    assert answer.status == 201 and answer.headers["content-type"] == "application/scim+json"
    user = answer.json
    assert answer.headers["location"] == user["meta"]["location"]
    path = f"/Users/{user['id']}"
    found = directory.get("/Users", filter=f"externalId eq {user['externalId']}")
    assert found.json["Resources"][0]["id"] == user["id"], "without quotes, as one of the examples has it"
    both = f'userName eq "{user["userName"]}" and externalId eq "{user["externalId"]}"'
    assert directory.get("/Users", filter=both).json["totalResults"] == 1
    changed = directory.patch(
        path + query,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "new@northwind.example"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+43 1"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": user["id"]},
        {"op": "Add", "path": 'roles[primary eq "True"].value', "value": "Admin"},
        {"op": "replace", "value": {"name.givenName": "New", f"{ENTERPRISE}:department": "Works"}},
    )
    assert changed.status == 200, changed.text
    assert changed.json["emails"][0]["value"] == "new@northwind.example"
    assert changed.json["phoneNumbers"] == [{"type": "mobile", "value": "+43 1"}]
    assert changed.json[ENTERPRISE] == {"manager": {"value": user["id"]}, "department": "Works"}
    assert changed.json["roles"] == [{"primary": True, "value": "Admin"}]
    assert changed.json["name"]["givenName"] == "New" and changed.json["name"]["familyName"] == "family"
    schemas = [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]
    new = {"schemas": schemas, "externalId": str(uuid.uuid4()), "displayName": name(), "meta": {"resourceType": "Group"}}
    group = made(directory, f"/Groups{query}", new)
    by_name = {"excludedAttributes": "members", "filter": f'displayName eq "{group["displayName"]}"'}
    listed = directory.get("/Groups", **by_name).json["Resources"]
    assert [one["id"] for one in listed] == [group["id"]] and "members" not in listed[0]
    member = [{"$ref": None, "value": user["id"]}]
    added = directory.patch(f"/Groups/{group['id']}", {"op": "Add", "path": "members", "value": member})
    assert (added.status, added.text) == (204, "")
    assert directory.get(f"/Groups/{group['id']}").json["members"][0]["value"] == user["id"]
    gone = directory.patch(f"/Groups/{group['id']}", {"op": "Remove", "path": "members", "value": member})
    assert gone.status == 204 and not directory.get(f"/Groups/{group['id']}").json.get("members")
    off = directory.patch(path, {"op": "Replace", "path": "active", "value": "False"})
    assert off.json["active"] is False and directory.get(path).json["active"] is False
    on = directory.patch(path, {"op": "Replace", "path": "active", "value": "True"})
    assert on.json["active"] is True
    assert directory.send("DELETE", path).status == 204 and directory.get(path).status == 404


def test_versions_keep_two_changes_apart(directory):
    user = made(directory, "/Users", entra_user(name()))
    path = f"/Users/{user['id']}"
    tag = user["meta"]["version"]
    assert directory.send("GET", path, if_none_match=tag).status == 304
    body = {"Operations": [{"op": "replace", "path": "title", "value": "Dr"}]}
    assert directory.send("PATCH", path, body, if_match=tag).status == 200
    body = {"Operations": [{"op": "replace", "path": "title", "value": "Mag"}]}
    late = directory.send("PATCH", path, body, if_match=tag)
    assert late.status == 412 and directory.get(path).json["title"] == "Dr"
