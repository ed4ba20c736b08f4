//! Rings by the policy in force: which there are, what a ring gets, and who may see it.

use artefacts::{Artefact, File};
use control::artefacts::{self as rings, Wanted, Way};
use control::connectors::{self, Wish};
use control::installation::{Installation, IssuerFact, ModelFact};
use control::policies::{self, Examine};
use control::{Actor, ControlError, Right, Role};
use domain::{PersonId, Policy};

use crate::scim::Place;

#[derive(Debug)]
struct Anything;

impl Examine for Anything {
    fn mistakes(&self, _: &Policy) -> Vec<String> {
        Vec::new()
    }
}

const POLICY: &str = r#"
[[grant]]
name = "pilot"
who = { groups = ["ring-0"] }
models = ["claude-*"]
deny_models = ["claude-opus-*"]

[[grant]]
name = "one person"
who = { people = ["someone"], groups = ["ring-1"] }
models = ["claude-opus-*"]

[[managed_settings]]
name = "everyone"
settings = { cleanupPeriodDays = 14, permissions = { deny = ["Read(.env)"] } }

[[managed_settings]]
name = "pilot"
who = { groups = ["ring-0"] }
settings = { permissions = { deny = ["Bash(curl:*)"] } }

[[connector]]
name = "tasks"
url = "https://tasks.example/mcp"

[[action]]
name = "reading tasks"
who = { groups = ["ring-2"] }
connector = "tasks"
classes = ["read"]
state = "allow"

[[desktop_settings]]
name = "services"
who = { services = ["nightly"] }
settings = { banner = { enabled = true, text = "no" } }
"#;

fn installation() -> Installation {
    let model = |id: &str, is_served| ModelFact {
        id: id.to_owned(),
        display_name: id.to_owned(),
        is_long: false,
        is_served,
    };
    Installation {
        org_name: "Northwind".to_owned(),
        public_url: "https://claude.example".to_owned(),
        issuers: vec![IssuerFact {
            name: "entra".to_owned(),
            issuer: "https://login.example/v2.0".to_owned(),
            kind: "entra".to_owned(),
            people: true,
            audiences: vec!["app".to_owned()],
            client_id: Some("app".to_owned()),
        }],
        models: vec![
            model("claude-opus-5-5", true),
            model("claude-haiku-5-5", true),
            model("claude-sonnet-5", false),
        ],
        ..Installation::default()
    }
}

async fn place(number: u64) -> Place {
    let place = Place::new(number).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let applied = policies::apply(&operation, POLICY, "a test", None, &Anything).await;
    applied.unwrap();
    place
}

fn ring_0() -> Wanted {
    Wanted {
        group: Some("ring-0".to_owned()),
        ..Wanted::default()
    }
}

#[tokio::test]
async fn rings_are_everyone_and_the_groups_that_rules_name() {
    let place = place(61).await;
    let actor = Actor::command_line("a test");
    let found = rings::rings(&place.control.operation(&actor))
        .await
        .unwrap();
    assert_eq!(found.version, 1);
    let told: Vec<(Option<&str>, String)> = found
        .rings
        .iter()
        .map(|ring| (ring.group.as_deref(), ring.entries.join(", ")))
        .collect();
    assert_eq!(
        told,
        [
            (None, "everyone".to_owned()),
            (Some("ring-0"), "pilot".to_owned()),
            (Some("ring-1"), "one person".to_owned()),
            (Some("ring-2"), "reading tasks".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_ring_gets_what_the_policy_says_for_its_group_and_the_models_that_are_served() {
    let place = place(62).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let ring = rings::ring(&operation, &installation(), &ring_0())
        .await
        .unwrap();
    let models: Vec<&str> = ring
        .described()
        .models
        .iter()
        .map(|model| model.id.as_str())
        .collect();
    assert_eq!(models, ["claude-haiku-5-5"]);
    let code = ring.code().entries();
    assert_eq!(code["cleanupPeriodDays"], 14);
    assert_eq!(code["forceLoginGatewayUrl"], "https://claude.example");
    assert_eq!(code["permissions"]["deny"].as_array().unwrap().len(), 2);
    assert!(!ring.desktop().entries().contains_key("banner"));
    let everyone = rings::ring(&operation, &installation(), &Wanted::default()).await;
    let everyone = everyone.unwrap();
    assert!(everyone.described().models.is_empty());
    assert_eq!(
        everyone.code().entries()["permissions"]["deny"][0],
        "Read(.env)"
    );
    assert_ne!(
        Artefact::CodeFile.write(&ring),
        Artefact::CodeFile.write(&everyone)
    );
}

/// What the policy says of servers for one ring, and for another by an exception.
const COMPANY: &str = r#"
[[managed_settings]]
name = "the company's servers alone"
servers = "company"
[managed_settings.settings.managedMcpServers]
tickets = { type = "http", url = "https://tickets.example/mcp" }

[[managed_settings]]
name = "but for the pilot"
who = { groups = ["ring-0"] }
servers = "any"
settings = {}
"#;

#[tokio::test]
async fn a_ring_whose_servers_are_the_companys_gets_them_by_address_in_every_file_and_lints_clean()
{
    let place = place(68).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let text = format!("{POLICY}{COMPANY}");
    let applied = policies::apply(&operation, &text, "a test", None, &Anything).await;
    applied.unwrap();
    let ring = async |group: Option<&str>| {
        let wanted = Wanted {
            group: group.map(str::to_owned),
            ..Wanted::default()
        };
        let ring = rings::ring(&operation, &installation(), &wanted).await;
        ring.unwrap()
    };
    let everyone = ring(None).await;
    let entries = everyone.code().entries();
    let expected = serde_json::json!([
        {"serverUrl": "https://claude.example/mcp"},
        {"serverUrl": "https://claude.example/mcp/*"},
        {"serverUrl": "https://tickets.example/mcp"},
    ]);
    assert_eq!(entries["allowedMcpServers"], expected);
    let file = &Artefact::CodeFile.write(&everyone)[0];
    let file = String::from_utf8(file.bytes.clone()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(
        read["allowedMcpServers"], expected,
        "as the device reads it"
    );
    assert_eq!(read["allowManagedMcpServersOnly"], true);
    for written in [
        Artefact::CodeMobileconfig,
        Artefact::CodeJamf,
        Artefact::CodeDropins,
    ] {
        let files = written.write(&everyone);
        let has = |words: &str| {
            files
                .iter()
                .any(|file| String::from_utf8_lossy(&file.bytes).contains(words))
        };
        assert!(
            has("https://claude.example/mcp/*") && has("allowManagedMcpServersOnly"),
            "{written:?}"
        );
    }
    assert_eq!(
        everyone
            .remarks()
            .iter()
            .filter(|remark| remark.contains("Mcp"))
            .count(),
        0
    );
    let found = rings::lint(&operation, file).await.unwrap();
    let rules: Vec<&str> = found.iter().map(|finding| finding.rule).collect();
    let about_servers = |rule: &&&str| rule.starts_with("server");
    assert_eq!(rules.iter().filter(about_servers).count(), 0, "{rules:?}");

    let pilot = ring(Some("ring-0")).await;
    for key in ["allowedMcpServers", "allowManagedMcpServersOnly"] {
        assert!(!pilot.code().entries().contains_key(key), "{key}");
    }
}

#[tokio::test]
async fn a_ring_s_files_name_the_connectors_it_may_reach() {
    let place = place(67).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let here = installation();
    let reviewed = Wish {
        enables: true,
        risk: "low".to_owned(),
        vendor: "Tasks Ltd".to_owned(),
        reason: "read it".to_owned(),
    };
    for (is_reviewed, wanted, reaches) in [
        (false, "ring-2", false),
        (true, "ring-2", true),
        (true, "ring-0", false),
    ] {
        if is_reviewed {
            let kept = connectors::review(&operation, "tasks", &reviewed);
            kept.await.unwrap();
            place.clock.advance_ms(1);
        }
        let wanted = Wanted {
            group: Some(wanted.to_owned()),
            ..Wanted::default()
        };
        let ring = rings::ring(&operation, &here, &wanted).await.unwrap();
        let at = "https://claude.example/mcp/tasks";
        for file in [
            Artefact::CodeFile,
            Artefact::CodeMcp,
            Artefact::DesktopLinux,
        ] {
            let files = file.write(&ring);
            let names_it = |file: &File| String::from_utf8_lossy(&file.bytes).contains(at);
            assert_eq!(
                files.iter().any(names_it),
                reaches,
                "{file:?} of {wanted:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_group_that_no_rule_names_gets_no_files() {
    let place = place(63).await;
    let actor = Actor::command_line("a test");
    let wanted = Wanted {
        group: Some("Ring-0".to_owned()),
        ..Wanted::default()
    };
    let refused = rings::ring(&place.control.operation(&actor), &installation(), &wanted).await;
    assert!(matches!(refused, Err(ControlError::NoSuch("ring"))));
}

#[tokio::test]
async fn signing_in_at_the_identity_provider_takes_an_application_whose_tokens_are_taken_here() {
    let place = place(64).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let with = |way, client_id: Option<&str>, issuer: Option<&str>| Wanted {
        way,
        client_id: client_id.map(str::to_owned),
        issuer: issuer.map(str::to_owned),
        ..ring_0()
    };
    let ring = rings::ring(&operation, &installation(), &with(Way::Oidc, None, None)).await;
    let ring = ring.unwrap();
    assert_eq!(
        ring.desktop().entries()["inferenceIdpOidc"]["clientId"],
        "app"
    );
    for (wanted, field) in [
        (with(Way::Oidc, Some("other"), None), "client_id"),
        (with(Way::OidcCompatible, Some("a\nb"), None), "client_id"),
        (with(Way::Gateway, None, Some("okta")), "issuer"),
    ] {
        let refused = rings::ring(&operation, &installation(), &wanted).await;
        match refused {
            Err(ControlError::Invalid(unusable)) => assert_eq!(unusable.field, field),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whoever_may_not_read_the_policy_sees_no_ring_and_no_file() {
    let place = place(65).await;
    let member = Actor::person(PersonId::from_parts(3, 3), "m", [Role::Member].into());
    let operation = place.control.operation(&member);
    let all = rings::rings(&operation).await.unwrap_err();
    assert!(matches!(all, ControlError::Forbidden(Right::PolicyRead)));
    let ring = rings::ring(&operation, &installation(), &ring_0()).await;
    assert!(matches!(
        ring,
        Err(ControlError::Forbidden(Right::PolicyRead))
    ));
    let lint = rings::lint(&operation, "{}".to_owned()).await;
    assert!(matches!(
        lint,
        Err(ControlError::Forbidden(Right::PolicyRead))
    ));
}

#[tokio::test]
async fn a_policy_with_a_secret_makes_no_ring_and_says_where_and_not_what() {
    let place = Place::new(66).await;
    let actor = Actor::command_line("a test");
    let operation = place.control.operation(&actor);
    let text = "[[desktop_settings]]\nname = \"d\"\nsettings = { inferenceGatewayApiKey = \"dwk_abcdefgh12345678\" }\n";
    policies::apply(&operation, text, "a test", None, &Anything)
        .await
        .unwrap();
    let refused = rings::ring(&operation, &installation(), &Wanted::default()).await;
    let refused = refused.unwrap_err();
    let told = format!("{} {:?}", refused.detail(), refused.mistakes());
    assert!(
        told.contains("inferenceGatewayApiKey") && !told.contains("abcdefgh"),
        "{told}"
    );
}
