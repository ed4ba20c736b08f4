//! Every operation that `/openapi.json` describes, asked by everyone: who may do what, as a table that is read in review. An operation
//! that this file does not know how to ask fails the test.

use std::fmt::Write as _;

use control::{Control, roles};
use http::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer};

use super::setting::{Setting, Things, machine, policy, things, things_of};

/// Everyone who asks, in the order of the table's columns.
const WHO: [&str; 11] = [
    "owner",
    "admin",
    "approver",
    "auditor",
    "technician",
    "member",
    "member's token",
    "owner's token",
    "service",
    "owner elsewhere",
    "nobody",
];

/// One operation as it is described.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Members of its body that are texts for people to read: reasons and names.
    pub(crate) texts: Vec<String>,
}

/// The members of an operation's body that people read.
fn texts_of(document: &Value, operation: &Value) -> Vec<String> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
    let schema = schema.and_then(Value::as_str).unwrap_or_default();
    let schema = document.pointer(schema.trim_start_matches('#'));
    let members = schema.and_then(|schema| schema["properties"].as_object());
    let names = members.into_iter().flat_map(serde_json::Map::keys);
    names
        .filter(|name| matches!(name.as_str(), "reason" | "name" | "service"))
        .cloned()
        .collect()
}

/// Every one, as anybody can read them.
pub(crate) async fn operations(anybody: &Actor) -> Vec<Operation> {
    let answer = anybody.get("/openapi.json").await.unwrap();
    assert_eq!(answer.status, 200);
    let document = answer.json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                texts: texts_of(&document, operation),
            });
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// How to ask: which thing the path names, the body, and the version a change starts from.
pub(crate) struct Asking {
    query: &'static str,
    pub(crate) named: Option<String>,
    pub(crate) body: Option<Value>,
    version: Option<String>,
}

fn plain() -> Asking {
    Asking {
        query: "",
        named: None,
        body: None,
        version: None,
    }
}

fn of(thing: &str) -> Asking {
    Asking {
        named: Some(thing.to_owned()),
        ..plain()
    }
}

impl Asking {
    fn body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    fn version(self, version: &str) -> Self {
        Self {
            version: Some(version.to_owned()),
            ..self
        }
    }
}

/// How to ask for each operation, so that whoever may do it succeeds.
pub(crate) fn asking(operation: &str, things: &Things, (version, text): &(u64, String)) -> Asking {
    let why = json!({"reason": "a test"});
    match operation {
        "me"
        | "me_budgets"
        | "me_sessions_list"
        | "me_tokens_list"
        | "people_list"
        | "groups_list"
        | "sessions_list"
        | "services_list"
        | "service_keys_list"
        | "roles_list"
        | "tokens_list"
        | "directory_tokens_list"
        | "policy_read"
        | "policy_versions"
        | "spend_limits_list"
        | "usage"
        | "ledger_search"
        | "ledger_export"
        | "ledger_head"
        | "checkpoints_list"
        | "org_read"
        | "settings_read"
        | "issuers_list"
        | "upstreams_list"
        | "models_list" => plain(),
        "me_sessions_end" => of(&things.session),
        "me_tokens_revoke" => of(&things.token),
        "me_tokens_create" => {
            plain().body(json!({"name": "mine", "scopes": ["own.read"], "expires_in_days": 1}))
        }
        "people_read" | "people_budgets" => of(&things.person),
        "people_revoke" | "people_restore" => of(&things.person).body(why),
        "statements_make" => Asking {
            query: "?from=2026-11-01&to=2026-11-02&by=person",
            ..plain()
        },
        "groups_read" | "groups_members" => of(&things.group),
        "sessions_end" => of(&things.session).body(why),
        "service_keys_create" => plain().body(json!({"service": "weekly", "expires_in_days": 1})),
        "service_keys_revoke" => of(&things.service_key).body(why),
        "roles_grant" => plain().body(
            json!({"role": "auditor", "holder": {"person": things.person}, "reason": "a test"}),
        ),
        "roles_revoke" => of(&things.binding).body(why),
        "tokens_revoke" => of(&things.token).body(why),
        "directory_tokens_create" => {
            plain().body(json!({"issuer": "northwind", "name": "next", "expires_in_days": 1}))
        }
        "directory_tokens_rotate" => of(&things.directory_token).body(json!({"overlap_hours": 1})),
        "checkpoints_read" => of(&things.checkpoint),
        "directory_tokens_revoke" => of(&things.directory_token).body(why),
        "policy_version" => of(&version.to_string()),
        "policy_plan" => plain().body(json!({"text": text})),
        "policy_apply" => plain()
            .body(json!({"text": text, "reason": "a test"}))
            .version(&version.to_string()),
        "policy_try" => plain()
            .body(json!({"issuer": "northwind", "stable_id": "ada", "model": "claude-sonnet-5-5"})),
        "spend_limits_create" => plain().body(json!({
            "scope": {"type": "group", "id": things.person}, "period": "daily", "amount_cents": "5"
        })),
        "spend_limits_read" => of(&things.spend_limit),
        "spend_limits_change" => of(&things.spend_limit)
            .body(json!({"amount_cents": "7"}))
            .version(&things.spend_limit_version),
        "spend_limits_remove" => of(&things.spend_limit).version(&things.spend_limit_version),
        other => reaching(other, things),
    }
}

/// The same for connectors.
fn reaching(operation: &str, things: &Things) -> Asking {
    match operation {
        "me_connectors" | "connectors_list" => plain(),
        "connectors_read" | "connectors_grants" => of(&things.connector),
        "people_grants" => of(&things.person),
        "people_grants_end" => {
            of(&things.person).body(json!({"connector": things.connector, "reason": "a test"}))
        }
        "connectors_decide" => of(&things.connector).body(json!({
            "action": things.action, "hash": "a", "decision": "approve", "reason": "a test"
        })),
        "connectors_say_class" => of(&things.connector)
            .body(json!({"action": things.action, "class": "write", "reason": "a test"})),
        "connectors_review" => of(&things.connector).body(json!({
            "enabled": true, "risk": "low", "vendor": "a test", "reason": "a test"
        })),
        other => agreeing(other, things),
    }
}

/// The same for what people agree to and what is to be done for them.
fn agreeing(operation: &str, things: &Things) -> Asking {
    match operation {
        "me_access_requests_list"
        | "access_requests_list"
        | "me_approvals_list"
        | "approvals_list"
        | "me_acceptable_use"
        | "acceptable_use_read"
        | "acceptable_use_versions"
        | "acceptable_use_template"
        | "acceptable_use_draft_read"
        | "acceptable_use_report"
        | "acceptances_list"
        | "tasks_list"
        | "members_latest"
        | "members_findings"
        | "members_findings_csv"
        | "drills_list" => plain(),
        "members_check" => plain().body(json!({
            "source": "members.csv", "csv": "Email\nada@example.org\n", "columns": {"email": "Email"}, "look_only": true
        })),
        "me_acceptable_use_accept" => {
            plain().body(json!({"version": things.use_version.parse::<u64>().unwrap()}))
        }
        "me_access_requests_ask" => plain().body(json!({
            "kind": "group", "thing": format!("group of {}", things.session), "reason": "a test"
        })),
        "me_access_requests_withdraw" | "access_requests_read" => of(&things.access_request),
        "access_requests_answer" => of(&things.access_request)
            .body(json!({"decision": "grant", "reason": "a test"})),
        "approvals_read" => of(&things.approval),
        "approvals_deny" => of(&things.approval).body(json!({"reason": "a test"})),
        "acceptable_use_version" => of(&things.use_version),
        "acceptable_use_draft_save" => plain()
            .body(json!({"text": "Ask {{contact}}\n{{monitoring}}\n"}))
            .version(&things.use_tag),
        "acceptable_use_preview" => plain().body(json!({"text": "Ask {{contact}}"})),
        "acceptable_use_publish" => plain()
            .body(json!({"reason": "a test"}))
            .version(&things.use_tag),
        "tasks_read" => of(&things.task),
        "tasks_done" => of(&things.task).body(json!({"evidence": "ticket 4711"})),
        "tasks_dismiss" => of(&things.task).body(json!({"reason": "a test"})),
        "tasks_tell_leaver" | "tasks_tell_joiner" => plain().body(json!({
            "who": format!("{}@example.org", things.session), "at": "2026-11-30T17:00:00Z", "source": "a test"
        })),
        other => proving(other, things),
    }
}

/// The same for what is tried, what that has found, and what clients receive.
fn proving(operation: &str, things: &Things) -> Asking {
    match operation {
        "upstreams_standing"
        | "evidence_rollout_credentials"
        | "artefacts_rings"
        | "artefacts_list" => plain(),
        "upstreams_test" => of("first"),
        "evidence_list" => Asking {
            query: "?kind=rollout_identity",
            ..plain()
        },
        "evidence_rollout_identity" => plain().body(json!({"person": things.person})),
        "artefacts_file" => Asking {
            query: "?name=claude.admx",
            ..plain()
        },
        "artefacts_lint" => plain().body(json!({"text": "{}"})),
        other => panic!("the operation {other} is not in the matrix: say here how to ask for it"),
    }
}

async fn ask(setting: &Setting, who: &str, operation: &Operation, asking: Asking) -> u16 {
    answer(&setting.client(who), operation, asking).await.status
}

/// What somebody is answered; a refusal is worded as all are.
pub(crate) async fn answer(client: &Actor, operation: &Operation, asking: Asking) -> Answer {
    let path = match (&asking.named, operation.path.split_once('{')) {
        (Some(named), Some((before, after))) => {
            format!("{before}{named}{}", after.split_once('}').unwrap().1)
        }
        (None, None) => operation.path.clone(),
        _ => panic!(
            "{} names nothing, or its path nothing to name",
            operation.id
        ),
    };
    let path = path + asking.query;
    let mut request = client.request(operation.method.clone(), &path);
    if let Some(version) = asking.version {
        request = request.header("if-match", &format!("\"{version}\""));
    }
    if let Some(body) = asking.body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    if answer.status >= 400 {
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status, "{}", answer.text());
        assert!(problem["code"].is_string() && problem["fault"].is_string());
    }
    answer
}

/// There may be no more roles than so many, and each asking has had one of its own.
async fn take_back(control: &Control, things: &Things) {
    let machine = machine();
    let binding = things.binding.parse().unwrap();
    // Gone already where the operation was to take it.
    let _ = roles::revoke(&control.operation(&machine), binding, "a test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_is_as_the_table_says() {
    let setting = Setting::set().await;
    let mut table = format!("{:28}", "");
    for who in WHO {
        let _ = write!(table, "{who:>16}");
    }
    let _ = writeln!(table, "{:>16}", "other's ids");
    for operation in operations(&setting.client("nobody")).await {
        let _ = write!(table, "{:28}", operation.id);
        for who in WHO {
            // Of oneself, where the operation is about oneself.
            let things = match setting.people.get(who) {
                Some(person) if operation.id.starts_with("me_") => {
                    things_of(&setting.here, *person).await
                }
                _ => things(&setting.here).await,
            };
            let asking = asking(&operation.id, &things, &policy(&setting.here).await);
            let status = ask(&setting, who, &operation, asking).await;
            let _ = write!(table, "{status:>16}");
            take_back(&setting.here, &things).await;
        }
        // An owner here, with ids that exist in another organisation.
        let foreign = things(&setting.elsewhere).await;
        let asking = asking(&operation.id, &foreign, &(99, String::new()));
        let names_one = match &*operation.id {
            // An upstream is the installation's, whoever asks.
            "upstreams_test" => false,
            "roles_grant" | "evidence_rollout_identity" => true,
            _ => asking.named.is_some(),
        };
        let status = if names_one {
            ask(&setting, "owner", &operation, asking).await.to_string()
        } else {
            "-".to_owned()
        };
        let _ = writeln!(table, "{status:>16}");
    }
    insta::assert_snapshot!(table);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_under_the_api_answers_somebody_unknown() {
    let setting = Setting::set().await;
    for path in ["/api/v1/me", "/api/v1/nothing", "/api/v1/people/x/y/z"] {
        let answer = setting.client("nobody").get(path).await.unwrap();
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.json()["code"], "credential_missing");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let answer = setting
        .client("owner")
        .get("/api/v1/nothing")
        .await
        .unwrap();
    assert_eq!(answer.status, 404);
    let answer = setting
        .client("owner")
        .request(Method::PATCH, "/api/v1/me")
        .send();
    assert_eq!(answer.await.unwrap().json()["code"], "method_not_allowed");
    setting.stop().await;
}
