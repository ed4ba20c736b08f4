//! Somebody's Claude wants to make a call that needs an approval, at an installation that runs: what the connectors' door does before it
//! answers, without a connector. For tests in other languages that have no MCP client at hand; must never be part of what is shipped.
//! Called by `e2e/`: `wants <doorward.toml> <e-mail address> <self|second> <member>`, prints the approval's id.

#![expect(clippy::print_stdout, reason = "its answer is a line")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use control::approvals::{self, Call, Sought};
use control::{Actor, Role, people};
use domain::approval::{About, Approver};
use server::system::{SystemClock, SystemIds};
use server::{config, wiring};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, who, approver, member] = arguments.as_slice() else {
        bail!("wants <doorward.toml> <e-mail address> <self|second> <member>");
    };
    let config = config::load(Path::new(file));
    let config = config.map_err(|mistakes| anyhow::anyhow!(mistakes.join("\n")))?;
    let control = wiring::admin(&config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    let looks_up = Actor::command_line("a test");
    let person = people::find(&control.operation(&looks_up), who).await?;
    let asks = Actor::person(person.id, who, [Role::Member].into());
    let operation = control.operation(&asks);
    let call = format!(
        "{{\"member\":{},\"text\":\"Thank you\"}}",
        member.parse::<u32>()?
    );
    let marks = control.store.watermarks(control.org).await?;
    let sought = approvals::seek(
        &operation,
        Call {
            connector: "crm",
            action: "send_letter",
            arguments: call.as_bytes(),
            definition: "sha256:of-no-definition",
            policy_version: marks.policy_version,
            approver: &Approver::parse(approver).context("who approves: self or second")?,
            about: &About {
                connector_title: "Membership CRM".to_owned(),
                action_title: "Send a letter".to_owned(),
                class: "destructive".to_owned(),
                rule: "CRM: letters".to_owned(),
                client: "Claude Desktop".to_owned(),
            },
        },
    )
    .await?;
    let Sought::Waits(approval) = sought else {
        bail!("it does not wait");
    };
    println!("{}", approval.id);
    control.store.close().await;
    Ok(())
}
