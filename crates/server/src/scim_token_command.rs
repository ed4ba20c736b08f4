//! `doorward scim-token …`: the tokens with which a company's directory provisions people and groups. A face of
//! `control::scim_tokens`; a token is printed once, on standard output, with everything else on standard error. It must never log or
//! repeat a token. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use control::Operation;
use control::scim::links;
use control::scim_tokens::{self, NewScimToken, ScimToken};
use domain::opaque::hex;
use domain::{Opaque, Timestamp};
use pipeline::identity;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{complain, say};

/// What to do with directory tokens.
#[derive(Debug, Args)]
pub struct ScimTokenCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token for the directory of an issuer and print it, this once: only its hash is kept
    #[command(
        after_help = "The token goes to standard output, everything else to standard error:\n  doorward scim-token create entra --issuer entra > scim.token\n\nBring it to the identity provider as the secret or bearer token, with the address <public_url>/scim/v2. docs/scim.md says where."
    )]
    Create {
        /// What people call it
        name: String,
        /// The issuer whose people and groups it provisions, by its name in the configuration
        #[arg(long)]
        issuer: String,
        /// The tenant, for an Entra issuer that trusts several
        #[arg(long)]
        tenant: Option<String>,
        /// After how many days the token ends; without it, it never does
        #[arg(long, value_name = "N")]
        expires_in_days: Option<u32>,
    },
    /// List the tokens: id, name, issuer, when each was last used, and whether it still opens
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token's successor and let the old one end after a while, in which the new one is brought to the identity provider
    Rotate {
        /// The token's id as `list` shows it
        which: String,
        /// For how many hours more the old one opens
        #[arg(long, value_name = "N", default_value_t = scim_tokens::OVERLAP_HOURS)]
        overlap_hours: u16,
    },
    /// Take a token away; it opens nothing from then on
    Revoke {
        /// The token's id as `list` shows it, or - to read it or the token itself from standard input
        which: String,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
    /// Say whom a provisioned user is, for a directory that cannot be made to send the ids which its tokens state
    Link {
        /// The user's id, usr_…
        user: String,
        /// The person's id, stable id, e-mail address or name
        person: String,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
}

/// Does it.
pub async fn run(command: ScimTokenCommand) -> ExitCode {
    administer(&command.config, async move |operation, config| {
        act(command.what, operation, config).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>, config: &Config) -> anyhow::Result<()> {
    let vouching = identity::config::vouching(&config.issuers);
    match what {
        What::Create {
            name,
            issuer,
            tenant,
            expires_in_days,
        } => {
            let new = NewScimToken {
                issuer,
                tenant,
                name,
                days: expires_in_days,
            };
            show(
                config,
                operation,
                &scim_tokens::create(operation, &vouching, new).await?,
            );
        }
        What::List { json } => list(operation, json).await?,
        What::Rotate {
            which,
            overlap_hours,
        } => {
            let made = scim_tokens::rotate(operation, &vouching, &which, overlap_hours).await?;
            show(config, operation, &made);
        }
        What::Revoke { which, reason } => revoke(operation, &which, &reason).await?,
        What::Link {
            user,
            person,
            reason,
        } => {
            let user = user.parse().context("a user's id begins with usr_")?;
            let (user, person) = links::link(operation, user, &person, &reason).await?;
            say(&format!("{} is {}", user.id, person.id));
        }
    }
    Ok(())
}

fn show(config: &Config, operation: &Operation<'_>, (token, secret): &(ScimToken, SecretString)) {
    let url = config.server.public_url.trim_end_matches('/');
    complain(&format!(
        "{} for the directory of {} at {url}/scim/v2 {}; it is shown this once:",
        token.prefix,
        token.source.issuer,
        ends(token, operation.clock.now())
    ));
    say(secret.expose_secret());
}

async fn list(operation: &Operation<'_>, as_json: bool) -> anyhow::Result<()> {
    let tokens = scim_tokens::list(operation).await?;
    let now = operation.clock.now();
    if as_json {
        let rows: Vec<_> = tokens.iter().map(|token| describe(token, now)).collect();
        say(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    if tokens.is_empty() {
        complain("there are none; `doorward scim-token create <name> --issuer <issuer>` makes one");
    }
    for token in &tokens {
        let used = token
            .used_at
            .map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
        say(&format!(
            "{}  {}  issuer: {}  {}  {used}  made {} by {}",
            token.prefix,
            token.name,
            token.source.issuer,
            ends(token, now),
            token.created,
            token.made_by
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
    // Whoever found a token need not know its id.
    let hash = Opaque::DirectoryToken.sha256(given).map(|hash| hex(&hash));
    let token = scim_tokens::revoke(operation, hash.as_deref().unwrap_or(given), reason).await?;
    say(&format!("{} opens nothing any more", token.prefix));
    Ok(())
}

fn ends(token: &ScimToken, now: Timestamp) -> String {
    match (token.revoked_at, token.expires) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(end)) if !token.opens(now) => format!("ended {end}"),
        (None, Some(end)) => format!("opens until {end}"),
        (None, None) => "opens without end".to_owned(),
    }
}

fn describe(token: &ScimToken, now: Timestamp) -> serde_json::Value {
    json!({
        "id": token.id,
        "prefix": token.prefix,
        "name": token.name,
        "issuer": token.source.issuer,
        "tenant": token.source.tenant,
        "opens": token.opens(now),
        "created": token.created.to_string(),
        "made_by": token.made_by,
        "expires": token.expires.map(|at| at.to_string()),
        "revoked_at": token.revoked_at.map(|at| at.to_string()),
        "used_at": token.used_at.map(|at| at.to_string()),
    })
}
