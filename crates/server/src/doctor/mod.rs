//! `doorward doctor`: the two rollout checks, and one line for everything Doorward stands on. It never disturbs an instance that
//! runs: no lock, no migration, no row, no port of its, nothing that a provider bills.
//!
//! | file | what |
//! |---|---|
//! | [`report`] | lines, for people and machines |
//! | `place` | store, policy, owners, ledger, programs |
//! | `public`, `certificate` | how we look from outside |
//! | `issuers` | who vouches, and the clock |
//! | `upstreams` | the providers |
//! | `scratch`, `recorder` | a second Doorward in a temporary folder, and what stands in a provider's place |
//! | `symptoms` | what people see when a client does not work, and why |
//! | [`token`], [`leak`] | the two rollout checks; the demo decides by them as well |

pub mod leak;
pub mod report;
pub mod token;

mod certificate;
pub(crate) mod issuers;
mod place;
mod public;
mod recorder;
mod scratch;
mod symptoms;
pub(crate) mod upstreams;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use domain::limits;
use secrecy::SecretString;

use crate::commands::configured;
use crate::config::Config;
use crate::system::{chain, say};
use report::{Line, Whose};
use scratch::Scratch;

/// What to look at, and how to tell.
#[derive(Debug, Args)]
#[command(
    after_help = "Each line is PASS, WARN, FAIL or SKIPPED, with what was seen; a FAIL or WARN says whose it is and what to do. Exit code 0 when nothing failed, 1 when something did, 64 when the configuration is bad.\n\nIt may run before the first start and beside a running server. It asks identity providers for their public documents, each provider one question that is not billed, and the public address who it is. What leaves for a provider is looked at on this machine, with the provider's real credential and an invented caller.\n\nExamples:\n  doorward doctor --config doorward.toml\n  doorward doctor --token-file id_token.txt   # rollout check 1\n  pbpaste | doorward doctor --token-file - --json\n  doorward doctor --symptom AADSTS7000218"
)]
pub struct Options {
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// A file with a bearer to validate: a person's ID or access token, a workload token, a session token or a service key; - reads
    /// standard input. It is never printed
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Look at nothing; say what is known about a message or a code that people see in a client: --symptom AADSTS50011, --symptom
    /// "model list". An empty text names everything
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["token_file", "json"])]
    symptom: Option<String>,
    /// Print JSON: {"ok": …, "checks": [{"check", "status", "evidence", "whose", "remedy"}]}
    #[arg(long)]
    json: bool,
}

/// Does it.
pub async fn run(options: Options) -> ExitCode {
    if let Some(words) = &options.symptom {
        return symptoms::tell(words, &options.config).await;
    }
    configured(&options.config, async |config| {
        let token = options.token_file.as_deref().map(token::read).transpose()?;
        let lines = examine(config, token.as_ref()).await;
        say(&if options.json {
            report::to_json(&lines)
        } else {
            report::to_text(&lines)
        });
        Ok(ExitCode::from(u8::from(!report::holds(&lines))))
    })
    .await
}

/// Every line, in the order of what stands on what.
async fn examine(config: &Config, token: Option<&SecretString>) -> Vec<Line> {
    let fine = format!(
        "issuers: {}, upstreams: {}, clients at {}",
        config.issuers.len(),
        config.upstreams.len(),
        config.server.public_url
    );
    let mut lines = vec![Line::pass("configuration", fine)];
    let (of_store, looked) = in_time("store", place::store(config))
        .await
        .unwrap_or_else(|line| (vec![line], None));
    lines.extend(of_store);
    lines.push(place::ledger(config));
    for program in &config.connector_programs {
        let check = format!("program {}", program.command.join(" "));
        let looked = in_time(&check, place::program(&check, program)).await;
        lines.push(looked.unwrap_or_else(|line| line));
    }
    let (certificate, public, upstreams, scratch) = tokio::join!(
        in_time("certificate", certificate::check(config)),
        in_time("public address", public::check(config)),
        in_time("upstreams", upstreams::reach(config)),
        in_time("assembly", Box::pin(Scratch::set_up(config))),
    );
    lines.push(certificate.unwrap_or_else(|line| line));
    lines.extend(public.unwrap_or_else(|line| vec![line]));
    let scratch = scratch.and_then(|set_up| set_up.map_err(|error| unassembled(&error)));
    match scratch {
        Err(line) => {
            lines.push(line);
            lines.extend(upstreams.unwrap_or_else(|line| vec![line]));
            for check in [
                "issuers",
                "rollout check 1, identity",
                "rollout check 2, credentials",
            ] {
                lines.push(Line::skipped(check, "the parts cannot be put together"));
            }
        }
        Ok(scratch) => {
            let whole = "the parts can be put together, and the crypto backend works as it must";
            lines.push(Line::pass("assembly", whole));
            let issuers = in_time("issuers", issuers::check(scratch.identity())).await;
            lines.extend(issuers.unwrap_or_else(|line| vec![line]));
            lines.extend(upstreams.unwrap_or_else(|line| vec![line]));
            let check = token::check(token, config, &scratch, looked.as_ref());
            lines.push(
                in_time("rollout check 1, identity", check)
                    .await
                    .unwrap_or_else(|line| line),
            );
            lines.extend(departures(config, &scratch).await);
        }
    }
    if let Some((store, _)) = looked {
        store.close().await;
    }
    lines
}

/// Rollout check 2 alone: what leaves for each provider, or why it cannot be looked at.
pub(crate) async fn leaving(config: &Config) -> Vec<Line> {
    match in_time("assembly", Box::pin(Scratch::set_up(config))).await {
        Err(line) => vec![line],
        Ok(Err(error)) => vec![unassembled(&error)],
        Ok(Ok(scratch)) => departures(config, &scratch).await,
    }
}

/// One line for each provider: what leaves for it.
async fn departures(config: &Config, scratch: &Scratch) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, upstream) in config.upstreams.iter().enumerate() {
        let check = format!("rollout check 2, credentials ({})", upstream.name);
        let left = upstreams::departure(check.clone(), index, upstream, scratch);
        lines.push(in_time(&check, left).await.unwrap_or_else(|line| line));
    }
    lines
}

fn unassembled(error: &anyhow::Error) -> Line {
    Line::fail(
        "assembly",
        chain(error.as_ref()),
        Whose::Operator,
        "mend what it names; `doorward serve` would not start with it",
    )
}

/// What a check found, or that it took too long.
async fn in_time<T>(check: &str, work: impl Future<Output = T>) -> Result<T, Line> {
    let most = Duration::from_millis(limits::DOCTOR_CHECK_MS);
    tokio::time::timeout(most, work).await.map_err(|_| {
        Line::fail(
            check,
            format!("did not end within {} s", most.as_secs()),
            Whose::Network,
            "something takes connections and never answers; the other lines tell which",
        )
    })
}
