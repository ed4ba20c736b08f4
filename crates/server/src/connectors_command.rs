//! `doorward connectors …`: says what somebody found about a connector before it is used. A face of `control::connectors`. Called by
//! `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use control::Operation;
use control::connectors::{self, Wish};

use crate::commands::administer;
use crate::system::say;

/// What to do with connectors.
#[derive(Debug, Args)]
pub struct ConnectorsCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what you found about connectors: those the catalogue does not know are there for nobody until then
    Review(Review),
}

#[derive(Debug, Args)]
struct Review {
    /// Names of connectors of the policy in force
    #[arg(required = true)]
    names: Vec<String>,
    /// How bad it would be if it did what it should not: low, medium or high
    #[arg(long)]
    risk: String,
    /// Who runs it
    #[arg(long)]
    vendor: String,
    /// What was looked at, for whoever reads the ledger
    #[arg(long)]
    reason: String,
    /// They may not be used, whatever was said before
    #[arg(long)]
    forbid: bool,
}

/// Does it.
pub async fn run(command: ConnectorsCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        let What::Review(review) = command.what;
        reviewed(review, operation).await
    })
    .await
}

async fn reviewed(review: Review, operation: &Operation<'_>) -> anyhow::Result<()> {
    let found = Wish {
        enables: !review.forbid,
        risk: review.risk,
        vendor: review.vendor,
        reason: review.reason,
    };
    for name in &review.names {
        connectors::review(operation, name, &found).await?;
        let word = if found.enables { "may" } else { "may not" };
        say(&format!("{name} {word} be used, by what the policy says"));
    }
    Ok(())
}
