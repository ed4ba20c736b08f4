//! `doorward people …`: take people's access away, and let them in again. A face of `control::people`. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use control::{Operation, people};

use crate::commands::administer;
use crate::system::say;

/// What to do with people.
#[derive(Debug, Args)]
pub struct PeopleCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take a person's access away, everywhere, within a second
    Revoke(Whom),
    /// Let a person sign in again
    Restore(Whom),
}

#[derive(Debug, Args)]
struct Whom {
    /// Id, stable id or e-mail
    person: String,
    /// Why, for whoever reads the ledger
    #[arg(long)]
    reason: String,
}

/// Does it.
pub async fn run(command: PeopleCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        act(command.what, operation).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>) -> anyhow::Result<()> {
    match what {
        What::Revoke(Whom { person, reason }) => {
            let person = people::find(operation, &person).await?;
            let person = people::revoke(operation, person.id, &reason).await?;
            say(&format!("{} has no access any more", person.id));
        }
        What::Restore(Whom { person, reason }) => {
            let person = people::find(operation, &person).await?;
            let person = people::restore(operation, person.id, &reason).await?;
            say(&match person.left_at {
                None => format!("{} may sign in again", person.id),
                Some(since) => format!(
                    "{} is still out: the directory has them inactive since {since}, and they come back when it says so",
                    person.id
                ),
            });
        }
    }
    Ok(())
}
