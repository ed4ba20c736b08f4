//! `doorward break-glass …`: seals the account for when the identity provider is away, takes it away, says how it stands. A face of
//! `control::break_glass`. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use control::{Operation, break_glass};
use secrecy::ExposeSecret as _;

use crate::commands::administer;
use crate::system::{complain, say};

/// What to do with it.
#[derive(Debug, Args)]
pub struct BreakGlassCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Seal it: print a new code once, for an envelope. An older code opens nothing any more, and what it opened ends
    #[command(
        after_help = "Example:\n  doorward break-glass seal --reason 'yearly change of the envelope'\n\nThe code opens the console once, as an owner, for an hour, at /console/sign-in/break-glass. It makes no key, token or directory token. Until it is sealed anew or taken away, every page of the console says that it was opened."
    )]
    Seal {
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
    /// Take it away, with what it opened
    Off {
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
    /// Say how it stands
    Status,
}

/// Does it.
pub async fn run(command: BreakGlassCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        act(command.what, operation).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>) -> anyhow::Result<()> {
    match what {
        What::Seal { reason } => {
            let code = break_glass::seal(operation, &reason).await?;
            complain(
                "Write it down now; it is shown this once. Put it into an envelope that is seen when it is opened.",
            );
            say(code.expose_secret());
        }
        What::Off { reason } => {
            break_glass::remove(operation, &reason).await?;
            say("there is no break-glass account any more");
        }
        What::Status => match break_glass::read(operation).await? {
            None => say("off: there is no break-glass account"),
            Some(stands) => match stands.opened_at {
                None => say(&format!(
                    "sealed {} by {}",
                    stands.sealed_at, stands.sealed_by
                )),
                Some(at) => say(&format!(
                    "OPENED {at}; seal it anew or take it away, and look in the ledger for who it was"
                )),
            },
        },
    }
    Ok(())
}
