//! `doorward policy …`: the policy, as a face of `control::policies`. It works on the store beside a running server, which follows
//! within a second. Called by `commands`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use control::may_use::Tried;
use control::policies::{self, Applied, Examine, Someone};
use control::{ControlError, Operation};
use domain::policy::connectors::Credentials;
use domain::{Client, ClientKind, Policy, Vouching};
use pipeline::Inspector;
use pipeline::identity::config::vouching;

use crate::commands::{administer, bad_config};
use crate::config::Config;
use crate::system::{chain, complain, say};

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy in force, with a header that says its version
    Export(Place),
    /// Show what applying a file would change, and change nothing
    #[command(
        after_help = "Example:\n  doorward policy plan policy.toml\n\nLines with - are in force and would go, lines with + are the file's."
    )]
    Plan {
        /// Which installation
        #[command(flatten)]
        place: Place,
        /// The policy, TOML or YAML
        file: PathBuf,
    },
    /// Put a file in force
    #[command(
        after_help = "Example:\n  doorward policy export > policy.toml\n  $EDITOR policy.toml\n  doorward policy apply policy.toml --reason 'interns may use Haiku'"
    )]
    Apply {
        /// Which installation
        #[command(flatten)]
        place: Place,
        /// The policy, TOML or YAML
        file: PathBuf,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
        /// The version the file was made from, when its header does not say it
        #[arg(long)]
        expected: Option<u64>,
    },
    /// Say what would be decided for someone, with every reason
    #[command(
        after_help = "Examples:\n  doorward policy try --group claude-users --model claude-opus-5-5\n  doorward policy try --file policy.toml --person 00u1 --issuer okta \\\n    --group claude-users --model claude-opus-5-5 --address 10.0.0.1\n\nEnds with 1 when it would be refused."
    )]
    Try {
        /// Which installation
        #[command(flatten)]
        place: Place,
        /// Whom, and what for
        #[command(flatten)]
        asked: Asked,
    },
}

/// Whom to try a decision for.
#[derive(Debug, Args)]
pub struct Asked {
    /// A policy file instead of the one in force
    #[arg(long)]
    file: Option<PathBuf>,
    /// The person's stable id at the issuer
    #[arg(long, default_value = "someone")]
    person: String,
    /// The issuer's name, for rules that ask for it
    #[arg(long)]
    issuer: Option<String>,
    /// Groups, repeated or with commas
    #[arg(long, value_delimiter = ',')]
    group: Vec<String>,
    /// The model
    #[arg(long)]
    model: String,
    /// The program: claude_code, claude_desktop, office, sdk, other
    #[arg(long, default_value = "claude_code", value_parser = client_kind)]
    client: ClientKind,
    /// Its version; left out, the newest there could be
    #[arg(long)]
    client_version: Option<domain::Version>,
    /// Where from
    #[arg(long)]
    address: Option<IpAddr>,
}

/// Which installation.
#[derive(Debug, Args)]
pub struct Place {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
}

fn client_kind(text: &str) -> Result<ClientKind, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|error| error.to_string())
}

impl PolicyCommand {
    fn config(&self) -> &Path {
        match self {
            Self::Export(place)
            | Self::Plan { place, .. }
            | Self::Apply { place, .. }
            | Self::Try { place, .. } => &place.config,
        }
    }
}

/// Does it.
pub async fn run(command: PolicyCommand) -> ExitCode {
    let path = command.config().to_owned();
    administer(&path, async move |operation, config| {
        act(command, operation, config).await
    })
    .await
}

async fn act(
    command: PolicyCommand,
    operation: &Operation<'_>,
    config: &Config,
) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Export(_) => say(policies::export(operation).await?.trim_end()),
        PolicyCommand::Plan { file, .. } => {
            let (text, here) = (read(&file)?, Here::of(config));
            let strangers = strangers_in(&file, &text, &here);
            if !strangers.is_empty() {
                return Ok(bad_config(&strangers));
            }
            let plan = policies::plan(operation, &text, &here).await?;
            if !plan.drift.is_empty() {
                say("what stands otherwise than [administration] states would be set right:");
                say(plan.drift.trim_end());
            }
            if plan.diff.is_empty() {
                say(&format!("no change: version {} is this text", plan.current));
            } else {
                say(&format!(
                    "version {} would become version {}:",
                    plan.current,
                    plan.current + 1
                ));
                say(plan.diff.trim_end());
            }
        }
        PolicyCommand::Apply {
            file,
            reason,
            expected,
            ..
        } => {
            let (text, here) = (read(&file)?, Here::of(config));
            let strangers = strangers_in(&file, &text, &here);
            if !strangers.is_empty() {
                return Ok(bad_config(&strangers));
            }
            let applied = policies::apply(operation, &text, &reason, expected, &here).await;
            if let Err(ControlError::Conflict { .. }) = applied {
                tell_what_stands(operation, &text).await?;
            }
            match applied? {
                Applied::Version(version) => say(&format!("version {version} is in force")),
                Applied::SetRight(version) => say(&format!(
                    "version {version} is this text; what stood otherwise than it states is set right"
                )),
                Applied::Unchanged(version) => {
                    say(&format!("no change: version {version} is this text"));
                }
            }
        }
        PolicyCommand::Try { asked, .. } => {
            return try_decision(operation, asked, config.issuers_for_people()).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what came in between and whose it is, and how it differs, before the refusal itself is said.
async fn tell_what_stands(operation: &Operation<'_>, wanted: &str) -> anyhow::Result<()> {
    let Some(stands) = policies::latest(operation).await? else {
        return Ok(());
    };
    complain(&format!(
        "version {} is in force, applied {} by {}: {}",
        stands.version, stands.created, stands.author, stands.reason
    ));
    complain(&format!("--- version {}\n+++ yours", stands.version));
    complain(control::diff::unified(&stands.text, wanted).trim_end());
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// What a policy means on this installation.
#[derive(Debug, Clone)]
pub struct Here {
    /// How many issuers vouch for people.
    pub issuers_for_people: usize,
    /// Which, and for which tenants.
    pub vouching: Vouching,
    /// At which connectors Doorward has an account of its own.
    pub accounts: BTreeSet<String>,
}

impl Here {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self {
            issuers_for_people: config.issuers_for_people(),
            vouching: vouching(&config.issuers),
            accounts: accounts(config),
        }
    }
}

impl Examine for Here {
    /// A grant to a bare name would let nobody in where more than one identity provider gives names, a rule that looks for what no
    /// detector is called would look on and be off, and a role for a group of an issuer that is none here would be nobody's.
    fn mistakes(&self, policy: &Policy) -> Vec<String> {
        let mut mistakes = namesakes(policy, self.issuers_for_people);
        mistakes.extend(idle_detectors(policy));
        mistakes.extend(out_of_reach(policy, &self.accounts));
        mistakes.extend(
            strangers(policy, &self.vouching)
                .into_iter()
                .map(|(_, what)| what),
        );
        mistakes
    }
}

/// What an administrator must be told of stated roles whose issuer is none here: which of them, and a sentence.
fn strangers(policy: &Policy, vouching: &Vouching) -> Vec<(usize, String)> {
    let stated = policy.document().administration.iter();
    let roles = stated.flat_map(|stated| &stated.role).enumerate();
    let told = roles.filter_map(|(place, role)| {
        let why = vouching.check_groups_of(&role.issuer).err()?;
        let words = vouching.words();
        let hint = match words.len() {
            0 => "no issuer vouches for people here".to_owned(),
            _ => format!("write one of {}", words.join(", ")),
        };
        let what = format!(
            "administration.role[{place}].issuer = {:?}: {why}, so nobody would hold this role; {hint}",
            role.issuer
        );
        Some((place, what))
    });
    told.collect()
}

/// The same of a file, with its name and lines: such a text is a bad configuration, whatever is in force. Nothing of one that cannot be
/// read: whoever reads it next says why.
fn strangers_in(file: &Path, text: &str, here: &Here) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Stated {
        administration: Roles,
    }
    #[derive(serde::Deserialize)]
    struct Roles {
        role: Vec<Issuer>,
    }
    #[derive(serde::Deserialize)]
    struct Issuer {
        issuer: toml::Spanned<String>,
    }
    let Ok(policy) = Policy::parse(0, text) else {
        return Vec::new();
    };
    let places = toml::from_str::<Stated>(text)
        .map_or_else(|_| Vec::new(), |stated| stated.administration.role);
    let told = strangers(&policy, &here.vouching).into_iter();
    let told = told.map(|(place, what)| {
        let before = places
            .get(place)
            .and_then(|role| text.get(..role.issuer.span().start));
        let line = before.map_or_else(String::new, |before| {
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        format!("{}: {line}{what}", file.display())
    });
    told.collect()
}

/// What is wrong with a policy's text for this configuration, a line each; nothing when it could be applied. For `check-config`.
pub fn mistakes_in(file: &Path, config: &Config) -> Vec<String> {
    let named = |what: String| format!("{}: {what}", file.display());
    let text = match read(file) {
        Ok(text) => text,
        Err(error) => return vec![chain(error.as_ref())],
    };
    let policy = match Policy::parse(0, &text) {
        Ok(policy) => policy,
        Err(domain::policy::UnreadablePolicy::Invalid(mistakes)) => {
            return mistakes
                .iter()
                .map(|what| named(what.to_string()))
                .collect();
        }
        Err(error) => return vec![named(chain(&error))],
    };
    let here = Here::of(config);
    let mut mistakes = namesakes(&policy, here.issuers_for_people);
    mistakes.extend(idle_detectors(&policy));
    mistakes.extend(out_of_reach(&policy, &here.accounts));
    let mut mistakes: Vec<String> = mistakes.into_iter().map(named).collect();
    mistakes.extend(strangers_in(file, &text, &here));
    mistakes
}

fn accounts(config: &Config) -> BTreeSet<String> {
    let known = config.connector_clients.iter();
    let known = known.filter(|client| client.is_account());
    known.map(|client| client.connector.clone()).collect()
}

/// Connectors that cannot be spoken to as the policy says.
fn out_of_reach(policy: &Policy, accounts: &BTreeSet<String>) -> Vec<String> {
    let connectors = policy.document().connector.iter();
    let what = connectors.filter_map(|connector| {
        let why = match connector.credential {
            Credentials::ServiceAccount if !accounts.contains(&connector.name) => {
                "credential = \"service-account\" needs a [[connector_client]] of it in doorward.toml, with client_secret, issuer, origin and scopes"
            }
            Credentials::Grant if connector.url.is_none() => {
                "credential = \"grant\" goes with url alone: a program has no authorization server"
            }
            Credentials::Grant if connector.name == "callback" => {
                "is called as the address that browsers come back to from authorization servers; give it another name"
            }
            Credentials::ApiKey if connector.name == "callback" => {
                "is called as an address of Doorward's own; give it another name"
            }
            Credentials::Grant
            | Credentials::ApiKey
            | Credentials::Header
            | Credentials::ServiceAccount
            | Credentials::None => return None,
        };
        Some(format!("the connector \"{}\": {why}", connector.name))
    });
    what.collect()
}

/// What an administrator must be told of a policy's grants to bare names; nothing when there are none.
fn namesakes(policy: &Policy, issuers: usize) -> Vec<String> {
    let policy = policy.clone().among_issuers(issuers);
    let names: Vec<&str> = policy
        .grants_to_namesakes()
        .map(|grant| grant.name.as_str())
        .chain(policy.reach_of_namesakes())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{issuers} issuers vouch for people, and a name at one may be somebody else's at another: add `issuers = [\"…\"]` to `who` of these entries: {}",
        names.join(", ")
    )]
}

/// What an administrator must be told of a policy's detectors, a sentence each.
pub fn idle_detectors(policy: &Policy) -> Vec<String> {
    // Nothing is inspected here, so nothing is fingerprinted, and any key will do.
    let inspector = Inspector::new(detect::Engine::new(&[0; 32]));
    let idle = inspector.idle(policy);
    idle.iter().map(ToString::to_string).collect()
}

async fn try_decision(
    operation: &Operation<'_>,
    asked: Asked,
    issuers_for_people: usize,
) -> anyhow::Result<ExitCode> {
    let policy = match &asked.file {
        Some(file) => Policy::parse(0, &read(file)?)?,
        None => match operation.store.latest_policy(operation.org).await? {
            Some(latest) => Policy::parse(latest.version, &latest.text)?,
            None => Policy::empty(),
        },
    };
    let policy = policy.among_issuers(issuers_for_people);
    let groups: BTreeSet<String> = asked.group.into_iter().collect();
    let someone = Someone {
        issuer: asked.issuer.unwrap_or_default(),
        stable_id: asked.person,
        groups,
    };
    // As the console tries it: whoever names no version does not ask what an old one would meet.
    let newest = Tried::newest(asked.client).client;
    let client = Client {
        version: asked.client_version.or(newest.version),
        ..newest
    };
    match policies::preview(&policy, &someone, &asked.model, client, asked.address) {
        Ok(permit) => {
            say(&format!("allowed by {}", permit.granted_by.join(", ")));
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            say("refused:");
            for reason in refusal.reasons() {
                let rule = reason
                    .rule
                    .as_deref()
                    .map(|rule| format!(" [{rule}]"))
                    .unwrap_or_default();
                say(&format!("  {}{rule}: {}", reason.code, reason.message));
            }
            Ok(ExitCode::from(1))
        }
    }
}
