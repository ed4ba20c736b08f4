//! Connectors through the whole of Doorward: a fake server of the Model Context Protocol behind, a client in front, and everything the two
//! should not be able to do to each other or to anybody else.

mod accounts;
mod all;
pub(crate) mod approvals;
mod behind;
pub(crate) mod client;
mod ended;
mod front;
pub(crate) mod grants;
mod hostile;
pub(crate) mod keys;
mod old;
mod records;
mod reviewed;
mod said;
mod stdio;
mod tasks;

use std::sync::Arc;

use control::Operation;
use control::connectors::Wish;
use domain::Policy;
use server::demo::world::{Stage, World};
use server::policy_command::Here;
use server::system::{SystemClock, SystemIds};
use server::wiring;
use testkit::McpServer;

/// The demo's rules, and connectors at this address.
fn policy(url: &str) -> String {
    format!(
        r#"{}
[[connector]]
name = "tasks"
url = "{url}"
definitions = "warn"
[[connector]]
name = "members"
definitions = "warn"
url = "{url}"
data_classes = ["member-pii"]
[[connector]]
name = "pinned"
url = "{url}"
[[connector]]
name = "board"
definitions = "warn"
who = {{ groups = ["board"] }}
url = "{url}"
[[connector]]
name = "keyed"
definitions = "warn"
url = "{url}"
credential = "header"
secret = "nowhere"
[[action]]
name = "Reading"
who = {{ groups = ["engineering", "contractors"] }}
connector = "*"
classes = ["read"]
state = "allow"
[[action.argument]]
at = "/path"
is = "starts-with"
value = "/users/"
then = "blocked"
[[action]]
name = "Deleting"
who = {{ groups = ["engineering"] }}
connector = "*"
actions = ["delete_item"]
state = "ask"
"#,
        include_str!("../../../src/demo/policy.toml")
    )
}

/// A place where Doorward can run, with these rules of connectors.
async fn stage(url: &str) -> Stage {
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &policy(url)).await;
    stage
}

/// Puts a policy in force, its connectors reviewed.
async fn apply(stage: &Stage, text: &str) {
    let control = wiring::admin(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let actor = control::Actor::command_line("a test");
    let operation = control.operation(&actor);
    let here = Here::of(&stage.config);
    let applied = control::policies::apply(&operation, text, "connectors", None, &here);
    applied.await.unwrap();
    for connector in &Policy::parse(1, text).unwrap().document().connector {
        review(&operation, &connector.name, true).await;
    }
    control.store.close().await;
}

/// Somebody says that a connector may be used, or may not.
pub(crate) async fn review(operation: &Operation<'_>, connector: &str, enables: bool) {
    let found = Wish {
        enables,
        risk: "low".to_owned(),
        vendor: "a test".to_owned(),
        reason: "try".to_owned(),
    };
    let reviewed = control::connectors::review(operation, connector, &found);
    reviewed.await.unwrap();
}

/// Doorward with connectors, and the server behind them.
async fn world() -> (World, McpServer) {
    let behind = McpServer::start().unwrap();
    let stage = stage(&behind.url()).await;
    (World::on(stage).await.unwrap(), behind)
}
