//! `doorward acceptable-use …`: draft, publish, show and report, as a face of `control::acceptable_use`. A draft is a file in the
//! hands of whoever writes it; only a complete text becomes a version. Called by `commands`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use control::Operation;
use control::acceptable_use::{self, NewVersion, Published, Report};
use domain::acceptable_use::Variables;
use serde_json::json;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{complain, say};

/// What to do with the acceptable-use policy.
#[derive(Debug, Args)]
pub struct AcceptableUseCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the template with what you give filled in, to be edited
    #[command(
        after_help = "Example:\n  doorward acceptable-use draft --organisation Northwind > use.md\n  $EDITOR use.md\n  doorward acceptable-use publish use.md --contact 'the IT desk' \\\n    --reach it@northwind.example --reason 'first version'"
    )]
    Draft(Values),
    /// Make a text the version in force; whoever must accept is asked from the next request on
    Publish {
        /// The text; `{{monitoring}}` stands where the paragraph on what is recorded goes
        file: PathBuf,
        /// What fills its variables
        #[command(flatten)]
        values: Values,
        /// The language it is written in
        #[arg(long, default_value = "en")]
        language: String,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
        /// The version the file was made from; without it, the latest
        #[arg(long)]
        expected: Option<u64>,
        /// Acceptances of the version before count for this one as well: for a mended typing error
        #[arg(long)]
        keep_acceptances: bool,
    },
    /// Print the version in force, or another, and say whether what it says is still so
    Show {
        /// Another version
        #[arg(long)]
        version: Option<u64>,
        /// Only what changed since this one
        #[arg(long)]
        since: Option<u64>,
    },
    /// Say how many have accepted the version in force, and who has not
    Report {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Values {
    /// The organisation's name, as its people say it
    #[arg(long)]
    organisation: Option<String>,
    /// Who answers questions: a name or a team
    #[arg(long)]
    contact: Option<String>,
    /// The contact's phone number or e-mail address
    #[arg(long)]
    reach: Option<String>,
}

impl Values {
    fn given(self) -> Variables {
        let all = [
            ("organisation", self.organisation),
            ("contact", self.contact),
            ("reach", self.reach),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// Does it.
pub async fn run(command: AcceptableUseCommand) -> ExitCode {
    if let What::Draft(values) = command.what {
        say(acceptable_use::template(&values.given()).trim_end());
        return ExitCode::SUCCESS;
    }
    administer(&command.config, async move |operation, config| {
        act(command.what, operation, config).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>, config: &Config) -> anyhow::Result<()> {
    let installation = config.as_recorded();
    match what {
        What::Draft(_) => Ok(()),
        What::Publish {
            file,
            values,
            language,
            reason,
            expected,
            keep_acceptances,
        } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let new = NewVersion {
                text: &text,
                values: values.given(),
                language: &language,
                reason: &reason,
                expected,
                keeps_acceptances: keep_acceptances,
            };
            told(acceptable_use::publish(operation, new, &installation).await?);
            Ok(())
        }
        What::Show { version, since } => {
            let shown = acceptable_use::show(operation, version, &installation).await?;
            if let Some(since) = since {
                let diff = acceptable_use::compare(operation, since, shown.version.version);
                say(diff.await?.trim_end());
            } else {
                say(shown.version.text.trim_end());
            }
            let version = &shown.version;
            complain(&format!(
                "version {} ({}), published {} by {}: {}",
                version.version, version.language, version.created, version.author, version.reason
            ));
            if let Some(outdated) = shown.outdated {
                complain(&format!(
                    "OUTDATED: the settings have changed since, and what it says of recording is not so any more; publish it anew:\n{}",
                    outdated.trim_end()
                ));
            }
            Ok(())
        }
        What::Report { json } => {
            let report = acceptable_use::report(operation).await?;
            say(&if json {
                serde_json::to_string_pretty(&as_json(&report))?
            } else {
                as_text(&report)
            });
            Ok(())
        }
    }
}

fn told(published: Published) {
    match published {
        Published::Version {
            version,
            long_sentences,
        } => {
            say(&format!("version {version} is in force"));
            for sentence in long_sentences {
                complain(&format!("hard to read, because it is long: {sentence}…"));
            }
        }
        Published::Unchanged(version) => say(&format!("no change: version {version} is this text")),
    }
}

fn as_text(report: &Report) -> String {
    let Report {
        version,
        people,
        signed,
        ..
    } = report;
    let mut text = format!("{signed} of {people} have accepted version {version}");
    if report.accept_from < *version {
        let _ = write!(text, " (versions from {} on count)", report.accept_from);
    }
    if !report.is_demanded {
        text += "; the policy does not demand it yet ([acceptable_use] required = true)";
    }
    for (person, accepted) in &report.missing {
        let before = match accepted {
            Some(accepted) => format!("accepted version {} on {}", accepted.version, accepted.at),
            None => "has accepted none".to_owned(),
        };
        let label = person.label();
        let _ = write!(text, "\n  {}  {label}  {before}", person.id);
    }
    let told = u64::try_from(report.missing.len()).unwrap_or(u64::MAX);
    let untold = people.saturating_sub(*signed).saturating_sub(told);
    if untold > 0 {
        let _ = write!(text, "\n  … and {untold} more");
    }
    text
}

fn as_json(report: &Report) -> serde_json::Value {
    let missing = report.missing.iter().map(|(person, accepted)| {
        json!({
            "person": person.id,
            "email": person.email,
            "name": person.name,
            "accepted_version": accepted.as_ref().map(|a| a.version),
            "accepted_at": accepted.as_ref().map(|a| a.at.to_string()),
        })
    });
    json!({
        "version": report.version,
        "accept_from": report.accept_from,
        "demanded": report.is_demanded,
        "people": report.people,
        "accepted": report.signed,
        "missing": missing.collect::<Vec<_>>(),
        "at": report.at.to_string(),
    })
}
