//! Every change that Microsoft and Okta document, and those that users of other servers reported, against what must come of it.
//! Sources: Microsoft's "use SCIM to provision users and groups" and "SCIM compatibility", Okta's SCIM 2.0 reference, and the issues
//! named beside the cases.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::patch::{self, Step};
use super::schema::{ENTERPRISE, Resource, USER};
use super::{Filter, group_patch};

fn ada() -> Value {
    json!({
        "userName": "ada@acme.example",
        "externalId": "oid-1",
        "active": true,
        "displayName": "Ada",
        "title": "Countess",
        "name": {"givenName": "Ada", "familyName": "Byron"},
        "emails": [
            {"value": "ada@acme.example", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home"},
        ],
    })
}

fn steps(operations: &Value) -> Vec<Step> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    patch::steps(body).unwrap()
}

/// What of Ada changes.
fn check(operations: &Value, changes: &[(&str, Value)]) {
    let after = patch::apply(&ada(), steps(operations)).unwrap();
    let mut expected = ada();
    for (pointer, value) in changes {
        let (holder, name) = pointer.rsplit_once('/').unwrap();
        let holder = expected.pointer_mut(holder).unwrap();
        match (holder, value) {
            (Value::Object(parts), Value::Null) => {
                parts.remove(name);
            }
            (Value::Object(parts), value) => {
                parts.insert(name.to_owned(), value.clone());
            }
            (Value::Array(all), Value::Null) => {
                all.remove(name.parse().unwrap());
            }
            (Value::Array(all), value) if name == "-" => all.push(value.clone()),
            (Value::Array(all), value) => all[name.parse::<usize>().unwrap()] = value.clone(),
            _ => panic!("{pointer}"),
        }
    }
    assert_eq!(after, expected, "{operations}");
}

fn refused(operations: &Value, expected: &str) {
    let body = json!({"Operations": operations});
    let result = patch::steps(body).and_then(|steps| patch::apply(&ada(), steps));
    let error = format!("{:?}", result.unwrap_err());
    assert!(error.contains(expected), "{operations}: {error}");
}

#[test]
fn entra_disables_by_a_text() {
    for value in [json!("False"), json!("false"), json!(false)] {
        let operations = json!([{"op": "Replace", "path": "active", "value": value}]);
        check(&operations, &[("/active", json!(false))]);
    }
    let operations = json!([{"op": "Add", "path": "active", "value": "True"}]);
    check(&operations, &[]);
}

#[test]
fn okta_disables_without_a_path() {
    check(
        &json!([{"op": "replace", "value": {"active": false}}]),
        &[("/active", json!(false))],
    );
}

#[test]
fn entra_updates_one_attribute_an_operation_by_default() {
    check(
        &json!([
            {"op": "Replace", "path": "displayName", "value": "Pvlo"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@acme.example"},
            {"op": "Replace", "path": "name.familyName", "value": "Lovelace"},
            {"op": "Add", "path": "externalId", "value": "oid-2"},
            {"op": "Add", "path": format!("{ENTERPRISE}:employeeNumber"), "value": 701_984},
        ]),
        &[
            ("/displayName", json!("Pvlo")),
            ("/emails/0/value", json!("new@acme.example")),
            ("/name/familyName", json!("Lovelace")),
            ("/externalId", json!("oid-2")),
            (
                &format!("/{ENTERPRISE}"),
                json!({"employeeNumber": "701984"}),
            ),
        ],
    );
}

#[test]
fn entra_updates_several_attributes_without_a_path_with_its_flag() {
    check(
        &json!([
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@acme.example"},
            {"op": "replace", "value": {
                "displayName": "Bjfe",
                "name.givenName": "Kkom",
                "name.familyName": "Unua",
                (format!("{ENTERPRISE}:employeeNumber")): "Aklq",
                (format!("{ENTERPRISE}:department")): "Maths",
            }},
        ]),
        &[
            ("/emails/0/value", json!("new@acme.example")),
            ("/displayName", json!("Bjfe")),
            ("/name", json!({"givenName": "Kkom", "familyName": "Unua"})),
            (
                &format!("/{ENTERPRISE}"),
                json!({"employeeNumber": "Aklq", "department": "Maths"}),
            ),
        ],
    );
}

#[test]
fn a_filtered_value_that_is_not_there_is_made_as_the_path_says() {
    for op in ["Add", "Replace"] {
        check(
            &json!([{"op": op, "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+43 1"}]),
            &[(
                "/phoneNumbers",
                json!([{"type": "mobile", "value": "+43 1"}]),
            )],
        );
        check(
            &json!([{"op": op, "path": "addresses[type eq \"work\"].locality", "value": "Vienna"}]),
            &[(
                "/addresses",
                json!([{"type": "work", "locality": "Vienna"}]),
            )],
        );
    }
    check(
        &json!([{"op": "add", "path": "emails[type eq \"other\"]", "value": {"value": "x@y.example"}}]),
        &[(
            "/emails/-",
            json!({"type": "other", "value": "x@y.example"}),
        )],
    );
}

/// Captain-P-Goldfish/SCIM-SDK 686.
#[test]
fn a_manager_comes_as_a_text_or_an_object() {
    let path = format!("{ENTERPRISE}:manager");
    for value in [json!("usr_1"), json!({"value": "usr_1"})] {
        check(
            &json!([{"op": "add", "path": path, "value": value}]),
            &[(
                &format!("/{ENTERPRISE}"),
                json!({"manager": {"value": "usr_1"}}),
            )],
        );
    }
    check(
        &json!([
            {"op": "add", "path": path, "value": "usr_1"},
            {"op": "remove", "path": path},
        ]),
        &[],
    );
    check(&json!([{"op": "add", "path": path, "value": ""}]), &[]);
}

/// Captain-P-Goldfish/SCIM-SDK 516 and buildbuddy 10578: app roles.
#[test]
fn roles_come_by_a_filter_on_truth_and_as_json_in_a_text() {
    check(
        &json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}]),
        &[("/roles", json!([{"primary": true, "value": "Admin"}]))],
    );
    let complex =
        json!([{"value": "{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}"}]);
    check(
        &json!([{"op": "Add", "path": "roles", "value": complex}]),
        &[("/roles", complex)],
    );
}

/// zulip 39773: attributes of the core under the name of its schema, also ones that are not in it.
#[test]
fn attributes_come_behind_the_name_of_their_schema() {
    check(
        &json!([
            {"op": "replace", "path": format!("{USER}:displayName"), "value": "B"},
            {"op": "replace", "path": format!("{USER}:role"), "value": "owner"},
            {"op": "replace", "path": "urn:acme:scim:1.0:User:badge", "value": "7"},
            {"op": "replace", "value": {(format!("{USER}:title")): "Dr", "urn:acme:scim:1.0:User": {"badge": 7}}},
            {"op": "add", "value": {(ENTERPRISE): {"division": "D", "DEPARTMENT": "M"}}},
        ]),
        &[
            ("/displayName", json!("B")),
            ("/title", json!("Dr")),
            (
                &format!("/{ENTERPRISE}"),
                json!({"division": "D", "department": "M"}),
            ),
        ],
    );
}

#[test]
fn values_are_removed_by_path_by_filter_and_by_list() {
    check(
        &json!([{"op": "remove", "path": "title"}]),
        &[("/title", json!(null))],
    );
    check(
        &json!([{"op": "Replace", "path": "title", "value": null}]),
        &[("/title", json!(null))],
    );
    check(
        &json!([{"op": "remove", "path": "name.givenName"}]),
        &[("/name/givenName", json!(null))],
    );
    check(
        &json!([{"op": "remove", "path": "emails[type eq \"home\"]"}]),
        &[("/emails/1", json!(null))],
    );
    check(
        &json!([{"op": "remove", "path": "emails[type eq \"home\"].value"}]),
        &[("/emails/1", json!(null))],
    );
    check(
        &json!([{"op": "Remove", "path": "emails", "value": [{"value": "ada@home.example"}]}]),
        &[("/emails/1", json!(null))],
    );
    check(
        &json!([{"op": "remove", "path": "emails"}]),
        &[("/emails", json!(null))],
    );
    check(
        &json!([{"op": "remove", "path": "emails[type eq \"none\"]"}]),
        &[],
    );
}

#[test]
fn one_value_is_the_primary_one() {
    check(
        &json!([{"op": "add", "path": "emails", "value": [{"value": "n@x.example", "primary": "True"}]}]),
        &[
            ("/emails/0/primary", json!(false)),
            (
                "/emails/-",
                json!({"value": "n@x.example", "primary": true}),
            ),
        ],
    );
    check(
        &json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
        &[
            ("/emails/0/primary", json!(false)),
            ("/emails/1/primary", json!(true)),
        ],
    );
    check(
        &json!([{"op": "add", "path": "emails", "value": [{"value": "ada@home.example", "type": "home"}]}]),
        &[],
    );
}

#[test]
fn what_is_ours_is_refused_by_path_and_passed_over_without_one() {
    refused(
        &json!([{"op": "replace", "path": "id", "value": "x"}]),
        "Mutability",
    );
    refused(
        &json!([{"op": "replace", "path": "groups", "value": []}]),
        "Mutability",
    );
    check(
        &json!([{"op": "replace", "value": {"id": "x", "schemas": [], "meta": {}, "groups": [], "password": "p", "title": "Dr"}}]),
        &[("/title", json!("Dr"))],
    );
}

#[test]
fn what_cannot_be_is_refused_by_its_name() {
    for (operations, expected) in [
        (json!([]), "InvalidSyntax"),
        (json!("x"), "InvalidSyntax"),
        (json!([{"op": "move", "path": "title"}]), "InvalidSyntax"),
        (json!([{"path": "title", "value": "x"}]), "InvalidSyntax"),
        (json!([{"op": "remove"}]), "NoTarget"),
        (json!([{"op": "replace", "value": "x"}]), "InvalidValue"),
        (
            json!([{"op": "replace", "path": 7, "value": "x"}]),
            "InvalidPath",
        ),
        (
            json!([{"op": "replace", "path": "emails[", "value": "x"}]),
            "InvalidPath",
        ),
        (
            json!([{"op": "replace", "path": "emails[type xx 1]", "value": "x"}]),
            "InvalidFilter",
        ),
        (
            json!([{"op": "replace", "path": "emails[type sw \"q\"].value", "value": "x"}]),
            "NoTarget",
        ),
        (
            json!([{"op": "replace", "path": "active", "value": "maybe"}]),
            "InvalidValue",
        ),
        (
            json!([{"op": "remove", "path": "userName"}]),
            "InvalidValue",
        ),
        (json!([{"op": "remove", "path": "active"}]), "InvalidValue"),
        (
            json!([{"op": "replace", "path": "userName", "value": "a\nb"}]),
            "InvalidValue",
        ),
        (
            json!([{"op": "replace", "path": "title", "value": "x".repeat(1_025)}]),
            "InvalidValue",
        ),
        (
            json!([{"op": "replace", "path": "title", "value": ["x"]}]),
            "InvalidValue",
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": vec![json!({"value": "x"}); 101]}]),
            "InvalidValue",
        ),
        (
            json!(vec![json!({"op": "remove", "path": "title"}); 1_001]),
            "TooMany",
        ),
    ] {
        refused(&operations, expected);
    }
}

#[test]
fn a_body_is_read_as_entra_and_okta_send_it() {
    let entra = json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_ab6490ee",
        "active": true,
        "emails": [{"primary": true, "type": "work", "value": "test@acme.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
    });
    let kept = patch::from_body(entra.clone()).unwrap();
    for name in ["externalId", "userName", "active", "emails", "name"] {
        assert_eq!(kept[name], entra[name], "{name}");
    }
    assert_eq!(kept.as_object().unwrap().len(), 5);
    let okta = json!({
        "schemas": [USER],
        "userName": "test@okta.local",
        "name": {"givenName": "T", "familyName": "U", "middleName": null},
        "emails": [{"primary": true, "value": "test@okta.local", "type": "work"}],
        "displayName": "T U",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": true,
    });
    let kept = patch::from_body(okta).unwrap();
    assert_eq!(kept["name"], json!({"givenName": "T", "familyName": "U"}));
    assert!(kept.get("password").is_none() && kept.get("groups").is_none());
    for body in [json!([]), json!("x"), json!(null)] {
        assert!(patch::from_body(body).is_err());
    }
}

fn group(operations: &Value) -> String {
    let body = json!({"Operations": operations});
    match patch::steps(body).and_then(group_patch::change) {
        Err(error) => format!("{error:?}")
            .chars()
            .take_while(|c| *c != ',')
            .collect(),
        Ok(change) => {
            let members: Vec<String> = change
                .members
                .iter()
                .map(|step| format!("{step:?}"))
                .collect();
            let mut said = members.join(" ");
            if let Some(name) = change.display_name {
                let _infallible = write!(said, " name={name}");
            }
            if let Some(id) = change.external_id {
                let _infallible = write!(said, " external={id:?}");
            }
            said.trim().to_owned()
        }
    }
}

#[test]
fn members_change_by_what_is_named() {
    for (operations, expected) in [
        // Entra, by default and with its flag
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "a"}, {"$ref": null, "value": "b"}]}]),
            "Add({\"a\", \"b\"})",
        ),
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]),
            "Remove({\"a\"})",
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}]),
            "Remove({\"a\"})",
        ),
        (
            json!([{"op": "Replace", "path": "displayName", "value": "Staff"}]),
            "name=Staff",
        ),
        (
            json!([{"op": "Add", "path": "externalId", "value": "g-1"}]),
            "external=Some(\"g-1\")",
        ),
        // Okta
        (
            json!([{"op": "replace", "value": {"id": "grp_1", "displayName": "Staff"}}]),
            "name=Staff",
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}, {"op": "add", "path": "members", "value": [{"value": "b", "display": "b@x"}]}]),
            "Remove({\"a\"}) Add({\"b\"})",
        ),
        (
            json!([{"op": "replace", "path": "members", "value": [{"value": "a"}]}]),
            "Set({\"a\"})",
        ),
        (
            json!([{"op": "replace", "path": "members", "value": []}]),
            "Set({})",
        ),
    ] {
        assert_eq!(group(&operations), expected, "{operations}");
    }
}

#[test]
fn members_change_as_others_write_it_or_are_refused() {
    for (operations, expected) in [
        (json!([{"op": "remove", "path": "members"}]), "Set({})"),
        (
            json!([{"op": "add", "value": {"members": [{"value": "a"}]}}]),
            "Add({\"a\"})",
        ),
        (
            json!([{"op": "replace", "value": {"members": null}}]),
            "Set({})",
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"}]),
            "Remove({\"a\", \"b\"})",
        ),
        (
            json!([{"op": "add", "path": "members", "value": "a"}]),
            "Add({\"a\"})",
        ),
        (
            json!([{"op": "add", "path": "members", "value": {"$ref": "https://x/scim/v2/Users/a"}}]),
            "Add({\"a\"})",
        ),
        (
            json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:displayName", "value": "S"}]),
            "name=S",
        ),
        (
            json!([{"op": "remove", "path": "externalId"}]),
            "external=None",
        ),
        (
            json!([{"op": "replace", "path": "description", "value": "x"}]),
            "",
        ),
        (
            json!([{"op": "remove", "path": "displayName"}]),
            "Bad(InvalidValue",
        ),
        (
            json!([{"op": "replace", "path": "id", "value": "x"}]),
            "Bad(Mutability",
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]),
            "Bad(InvalidValue",
        ),
        (
            json!([{"op": "add", "path": "members", "value": [7]}]),
            "Bad(InvalidValue",
        ),
        (
            json!([{"op": "add", "path": "members", "value": [{"value": "a\u{7}"}]}]),
            "Bad(InvalidValue",
        ),
        (
            json!([{"op": "remove", "path": "members[display eq \"x\"]"}]),
            "Bad(InvalidFilter",
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"a\" and type eq \"User\"]"}]),
            "Bad(InvalidFilter",
        ),
    ] {
        assert_eq!(group(&operations), expected, "{operations}");
    }
}

/// langwatch 7131: a change of the name emptied the group.
#[test]
fn a_change_of_a_name_touches_no_member() {
    let body = json!({"Operations": [{"op": "Replace", "value": {"displayName": "x", "externalId": "y", "other": 1}}]});
    let change = group_patch::change(patch::steps(body).unwrap()).unwrap();
    assert!(change.members.is_empty());
}

#[test]
fn a_group_of_entra_carries_a_schema_of_its_own_and_no_members() {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "displayName",
        "meta": {"resourceType": "Group"},
    });
    let read = group_patch::from_body(body).unwrap();
    assert_eq!(read.display_name, "displayName");
    assert_eq!(
        read.external_id,
        Some(Some("8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159".to_owned()))
    );
    assert!(read.members.is_empty());
    for body in [json!({}), json!({"displayName": " "}), json!([])] {
        assert!(group_patch::from_body(body).is_err());
    }
}

fn meets(filter: &str) -> Option<bool> {
    let filter = Filter::parse(filter, Resource::User).ok()?;
    let mut resource = ada();
    resource["id"] = json!("usr_1");
    resource["meta"] = json!({"lastModified": "2026-11-21T10:00:00.000Z", "resourceType": "User"});
    resource[ENTERPRISE] = json!({"department": "Maths"});
    Some(filter.meets(&resource))
}

#[test]
fn filters_find_what_they_say() {
    for (filter, expected) in [
        ("userName eq \"ADA@acme.example\"", true),
        ("USERNAME EQ \"ada@acme.example\"", true),
        ("externalId eq \"OID-1\"", false),
        ("externalId eq oid-1", true),
        ("externalId eq \"oid-1\" and active eq true", true),
        ("active eq \"True\"", true),
        ("active eq False", false),
        ("active ne true", false),
        ("userName ne \"x\"", true),
        ("userName co \"acme\"", true),
        ("userName sw \"ada\" and userName ew \"example\"", true),
        ("title pr", true),
        ("nickName pr", false),
        ("emails pr and not (emails.value eq \"x\")", true),
        ("emails eq \"ada@home.example\"", true),
        ("emails[type eq \"work\"].value", false),
        ("emails[type eq \"work\" and value co \"home\"]", false),
        ("emails[type eq \"home\" and value co \"home\"]", true),
        ("emails.type eq \"work\" and emails.value co \"home\"", true),
        (
            "name.familyName eq \"byron\" or name.familyName eq \"x\"",
            true,
        ),
        ("meta.lastModified gt \"2026-11-21T10:30:00+01:00\"", true),
        ("meta.lastModified lt \"2026-11-21T10:00:00Z\"", false),
        ("meta.resourceType eq \"User\"", true),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"maths\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"ada\"",
            true,
        ),
        (
            "(userName sw \"x\" or title eq \"countess\") and active eq true",
            true,
        ),
        (
            "userName sw \"x\" or title eq \"countess\" and active eq false",
            false,
        ),
        ("not (not (active eq true))", true),
        ("id eq \"usr_1\"", true),
        ("title eq \"Coun\\\"tess\"", false),
        ("nickName eq null", false),
    ] {
        let expected = (filter != "emails[type eq \"work\"].value").then_some(expected);
        assert_eq!(meets(filter), expected, "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    for filter in [
        "",
        "userName",
        "userName eq",
        "userName xx \"a\"",
        "userName eq \"a",
        "userName eq \"a\" and",
        "userName eq \"a\" \"b\"",
        "(userName eq \"a\"",
        "userName eq \"a\")",
        "not userName eq \"a\"",
        "password eq \"a\"",
        "emails[type eq \"a\"",
        "emails[value[type eq \"a\"]]",
        "emails[nothing eq \"a\"]",
        "userName eq [1]",
        "ä eq 1",
    ] {
        assert_eq!(meets(filter), None, "{filter}");
    }
    let deep = format!("{}active eq true{}", "(".repeat(9), ")".repeat(9));
    assert_eq!(meets(&deep), None);
    let deep = format!("{}active eq true{}", "(".repeat(8), ")".repeat(8));
    assert_eq!(meets(&deep), Some(true));
    let many = vec!["active eq true"; 129].join(" and ");
    assert_eq!(meets(&many), None);
    assert_eq!(
        meets(&format!("userName eq \"{}\"", "x".repeat(8_192))),
        None
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_readers_fail_otherwise_than_by_an_error(text in "[ -~äß\"\\[\\]()]{0,60}") {
        let _read = Filter::parse(&text, Resource::User);
        let _read = super::path::Path::parse(&text, Resource::User);
        let operations = json!([{"op": "add", "path": text, "value": text}]);
        let _applied = patch::steps(json!({"Operations": operations})).and_then(|steps| patch::apply(&ada(), steps));
    }

    #[test]
    fn a_change_that_is_made_twice_is_as_one(name in "[a-z]{1,8}", kind in "work|home|other") {
        let operations = json!([
            {"op": "add", "path": "emails", "value": [{"value": name, "type": kind}]},
            {"op": "replace", "path": format!("phoneNumbers[type eq \"{kind}\"].value"), "value": name},
            {"op": "replace", "value": {"title": name}},
        ]);
        let once = patch::apply(&ada(), steps(&operations)).unwrap();
        let twice = patch::apply(&once, steps(&operations)).unwrap();
        proptest::prop_assert_eq!(once, twice);
    }
}
