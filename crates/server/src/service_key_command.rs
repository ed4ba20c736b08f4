//! `doorward service-key …`: keys for machines that have no OpenID provider. A face of `control::service_keys`, which draws a key
//! and keeps its hash alone; it is printed here once, on standard output, with everything else on standard error. It must
//! never log or repeat a key. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use control::Operation;
use control::service_keys::{self, NewKey, ServiceKey};
use domain::{Opaque, Timestamp};
use pipeline::identity::hex;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::commands::administer;
use crate::system::{complain, say};

/// What to do with service keys.
#[derive(Debug, Args)]
pub struct ServiceKeyCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key and print it, this once: only its hash is kept
    #[command(
        after_help = "The key goes to standard output, everything else to standard error:\n  doorward service-key create nightly --group ci \\\n    --expires-in-days 90 > nightly.key\n\nIt is sent as `Authorization: Bearer` or `x-api-key`, and may do what a policy grants it:\n  [[grant]]\n  name = \"builds\"\n  who = { services = [\"nightly\"] }\n  models = [\"claude-haiku-*\"]\n\nTo change a key for a new one: create a second one of the same name, bring it to the machine, revoke the first by its id."
    )]
    Create {
        /// The service's name, by which policy selects it
        name: String,
        /// What the service is a member of; repeated or with commas
        #[arg(long, value_delimiter = ',')]
        group: Vec<String>,
        /// After how many days the key ends; without it, it never does
        #[arg(long, value_name = "N")]
        expires_in_days: Option<u32>,
    },
    /// List the keys: id, service, groups, and whether each still opens
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a key away, or all keys of a service; within a second it opens nothing and its open streams are cut
    #[command(
        after_help = "Examples:\n  doorward service-key revoke dwk_3Fq9xLm2 --reason 'was in a build log'\n  doorward service-key revoke nightly \\\n    --reason 'the build moved to workload tokens'\n\nA leaked key itself may be given in place of its id, as - on standard input, so that no shell keeps it."
    )]
    Revoke {
        /// The key's id as `list` shows it, or the service's name, or - to read either or the key from standard input
        which: String,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
}

/// Does it.
pub async fn run(command: ServiceKeyCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        act(command.what, operation).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>) -> anyhow::Result<()> {
    match what {
        What::Create {
            name,
            group,
            expires_in_days,
        } => create(operation, name, group, expires_in_days).await,
        What::List { json } => list(operation, json).await,
        What::Revoke { which, reason } => revoke(operation, &which, &reason).await,
    }
}

async fn create(
    operation: &Operation<'_>,
    name: String,
    groups: Vec<String>,
    days: Option<u32>,
) -> anyhow::Result<()> {
    let new = NewKey {
        name,
        groups: groups.into_iter().collect(),
        days,
    };
    let (key, secret) = service_keys::create(operation, new).await?;
    complain(&format!(
        "{} for {} {}; it is shown this once:",
        key.prefix,
        key.service_name,
        ends(&key, operation.clock.now())
    ));
    say(secret.expose_secret());
    Ok(())
}

async fn list(operation: &Operation<'_>, as_json: bool) -> anyhow::Result<()> {
    let keys = service_keys::list(operation).await?;
    let now = operation.clock.now();
    if as_json {
        let rows: Vec<_> = keys.iter().map(|key| describe(key, now)).collect();
        say(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if keys.is_empty() {
        complain("there are none; `doorward service-key create <name>` makes one");
    }
    for key in &keys {
        let groups: Vec<&str> = key.groups.iter().map(String::as_str).collect();
        let groups = if groups.is_empty() {
            String::new()
        } else {
            format!("  groups: {}", groups.join(", "))
        };
        say(&format!(
            "{}  {}  {}{groups}  made {} by {}",
            key.prefix,
            key.service_name,
            ends(key, now),
            key.created,
            key.made_by
        ));
    }
    Ok(())
}

async fn revoke(operation: &Operation<'_>, which: &str, reason: &str) -> anyhow::Result<()> {
    let given = match which {
        "-" => std::io::read_to_string(std::io::Read::take(std::io::stdin(), 1_024))?,
        text => text.to_owned(),
    };
    let given = given.trim();
    // Whoever found a key need not know its id.
    let hash = Opaque::ServiceKey.sha256(given).map(|hash| hex(&hash));
    let taken = service_keys::revoke(operation, hash.as_deref().unwrap_or(given), reason).await?;
    for key in &taken {
        say(&format!(
            "{} of {} opens nothing any more",
            key.prefix, key.service_name
        ));
    }
    Ok(())
}

fn ends(key: &ServiceKey, now: Timestamp) -> String {
    match (key.revoked_at, key.expires) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(end)) if !service_keys::opens(key, now) => format!("ended {end}"),
        (None, Some(end)) => format!("opens until {end}"),
        (None, None) => "opens without end".to_owned(),
    }
}

fn describe(key: &ServiceKey, now: Timestamp) -> serde_json::Value {
    json!({
        "id": key.prefix,
        "service": key.service_name,
        "service_id": key.service,
        "groups": key.groups,
        "opens": service_keys::opens(key, now),
        "created": key.created.to_string(),
        "made_by": key.made_by,
        "expires": key.expires.map(|at| at.to_string()),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
    })
}
