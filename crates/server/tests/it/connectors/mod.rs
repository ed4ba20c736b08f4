//! Connectors through the whole of Doorward: a fake server of the Model Context Protocol behind, a client in front, and everything the two
//! should not be able to do to each other or to anybody else.

mod all;
pub(crate) mod approvals;
mod behind;
pub(crate) mod client;
mod front;
pub(crate) mod grants;
mod hostile;
mod old;
mod records;
mod stdio;

use std::sync::Arc;

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

/// Puts a policy in force.
async fn apply(stage: &Stage, text: &str) {
    let control = wiring::admin(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let actor = control::Actor::command_line("a test");
    let operation = control.operation(&actor);
    let here = Here::of(&stage.config);
    let applied = control::policies::apply(&operation, text, "connectors", None, &here);
    applied.await.unwrap();
    control.store.close().await;
}

/// Doorward with connectors, and the server behind them.
async fn world() -> (World, McpServer) {
    let behind = McpServer::start().unwrap();
    let stage = stage(&behind.url()).await;
    (World::on(stage).await.unwrap(), behind)
}
