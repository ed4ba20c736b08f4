//! `doorward statement`: a chargeback statement for a spreadsheet, on standard output. A face of `control::statements`. Called by
//! `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use control::statements::{self, By, Wanted};
use control::{ControlError, Operation};

use crate::commands::administer;
use crate::system::{complain, say};

/// Which time, split by what.
#[derive(Debug, Args)]
#[command(
    after_help = "Every call is on exactly one line; the lines add up to the total, and the total is the ledger's, to the last digit. A call belongs to the hour (UTC) in which it ended.\n\nExamples:\n  doorward statement --from 2026-11-01 --to 2026-12-01 \\\n    --by person > november.csv\n  doorward statement --from 2026-11-01 --to 2026-12-01 --by group \\\n    --group sales --group engineering\n\nBy group it goes by the groups of today; somebody who is in several counts to the first that is named."
)]
pub struct StatementCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// From here on: a day, which begins at midnight UTC, or the beginning of an hour in RFC 3339
    #[arg(long)]
    from: String,
    /// Before this, at most 400 days later
    #[arg(long)]
    to: String,
    /// person, service, group, model, client or upstream
    #[arg(long, value_parser = by)]
    by: By,
    /// By group: which, in the order that decides
    #[arg(long)]
    group: Vec<String>,
}

fn by(text: &str) -> Result<By, String> {
    text.parse().map_err(|_| {
        let words: Vec<&str> = By::ALL.iter().map(|by| by.as_str()).collect();
        format!("it is one of {}", words.join(", "))
    })
}

/// Does it.
pub async fn run(command: StatementCommand) -> ExitCode {
    let config = command.config.clone();
    administer(&config, async move |operation, _| {
        print(command, operation).await
    })
    .await
}

async fn print(command: StatementCommand, operation: &Operation<'_>) -> anyhow::Result<()> {
    let wanted = Wanted {
        from: statements::moment("from", &command.from).map_err(ControlError::from)?,
        to: statements::moment("to", &command.to).map_err(ControlError::from)?,
        by: command.by,
        groups: command.group,
    };
    let statement = statements::make(operation, wanted).await?;
    if !statement.is_over() {
        complain("its time is not over: calls still come to it");
    }
    say(statements::as_csv(&statement).trim_end());
    Ok(())
}
