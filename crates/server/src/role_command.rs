//! `doorward role …`: who may administer. The way in for the first owner, who can give the other roles at the API; whoever can read
//! this machine's configuration may do everything anyway. A face of `control::roles`. Called by `commands`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use control::roles::{self, Holder};
use control::{Operation, Role, people};
use pipeline::identity::config::vouching;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{complain, say};

/// What to do with roles.
#[derive(Debug, Args)]
pub struct RoleCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Give a role to a person or to a group
    #[command(
        after_help = "The roles:\n  owner       everything; alone gives roles and directory tokens; one or two\n  admin       runs it day by day\n  approver    decides about what others ask for, and closes tasks\n  auditor     reads everything, writes nothing\n  technician  a service provider's: runs it; no ledger, no spend limits\n\nExamples:\n  doorward role grant owner --person ada@example.org --reason 'first owner'\n  doorward role grant auditor --group internal-audit --issuer entra \\\n    --reason 'yearly audit'\n\nA person must be known here: signed in once, or provisioned by the directory. A group is named as the issuer's tokens or its directory name it."
    )]
    Grant {
        /// owner, admin, approver, auditor or technician
        #[arg(value_parser = role)]
        role: Role,
        /// The person: id, stable id or e-mail
        #[arg(long, conflicts_with = "group", required_unless_present = "group")]
        person: Option<String>,
        /// The group, as its issuer names it
        #[arg(long)]
        group: Option<String>,
        /// The group's issuer, by its configured name, for one of several tenants as in entra/<tenant>; may be left out where only one
        /// vouches for people
        #[arg(long, requires = "group")]
        issuer: Option<String>,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
    /// Take a role away; with the next request it is gone
    #[command(
        after_help = "Example:\n  doorward role list\n  doorward role revoke rol_01kb… --reason 'left the team'"
    )]
    Revoke {
        /// The id that `list` shows
        id: domain::BindingId,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: String,
    },
    /// List who holds which role
    List,
}

fn role(text: &str) -> Result<Role, String> {
    // Everyone is a member; nobody is made one.
    let mut given = Role::ALL.iter().filter(|role| **role != Role::Member);
    let found = given.clone().find(|role| role.as_str() == text);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = given.by_ref().map(|role| role.as_str()).collect();
        format!("the roles that can be given are {}", known.join(", "))
    })
}

/// Does it.
pub async fn run(command: RoleCommand) -> ExitCode {
    administer(&command.config, async move |operation, config| {
        act(command.what, operation, config).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>, config: &Config) -> anyhow::Result<()> {
    match what {
        What::Grant {
            role,
            person,
            group,
            issuer,
            reason,
        } => {
            let holder = match (person, group) {
                (Some(person), _) => {
                    let person = people::find(operation, &person).await?;
                    complain(&format!("found: {}", whole(&person)));
                    Holder::Person(person.id)
                }
                (None, Some(group)) => Holder::Group {
                    issuer: issuer_of(config, issuer)?,
                    group,
                },
                (None, None) => bail!("name a person or a group"),
            };
            let given = roles::grant(operation, role, holder, &reason).await?;
            let what = roles::described(&given.binding);
            let how = if given.is_new { "" } else { "no change: " };
            say(&format!("{how}{}  {what}", given.binding.id));
            tell(given.warning);
        }
        What::Revoke { id, reason } => {
            let (gone, warning) = roles::revoke(operation, id, &reason).await?;
            say(&format!("{} is taken away", roles::described(&gone)));
            tell(warning);
        }
        What::List => list(operation).await?,
    }
    Ok(())
}

/// Whom a text has found, with all that tells them from others.
fn whole(person: &people::Person) -> String {
    let known = [&person.name, &person.email].into_iter().flatten();
    let known: Vec<&str> = known.map(String::as_str).collect();
    let (issuer, stable_id) = (&person.issuer, &person.stable_id);
    format!("{} ({issuer}, {stable_id})", known.join(", "))
}

async fn list(operation: &Operation<'_>) -> anyhow::Result<()> {
    let (bindings, warning) = roles::list(operation).await?;
    for binding in &bindings {
        let known_as = match &binding.holder {
            Holder::Person(id) => people::read(operation, *id)
                .await
                .ok()
                .and_then(|person| person.email.or(person.name))
                .map_or_else(String::new, |name| format!(" ({name})")),
            Holder::Group { .. } => String::new(),
        };
        say(&format!(
            "{}  {}{known_as}  given {} by {}",
            binding.id,
            roles::described(binding),
            binding.created,
            binding.made_by
        ));
    }
    tell(warning);
    Ok(())
}

fn tell(warning: Option<String>) {
    if let Some(warning) = warning {
        complain(&format!("mind: {warning}"));
    }
}

/// The issuer that was named, or the only one there is. One that is not configured would give the role to nobody, unseen.
fn issuer_of(config: &Config, named: Option<String>) -> anyhow::Result<String> {
    let known: Vec<&str> = config
        .issuers
        .iter()
        .map(|issuer| issuer.name.as_str())
        .collect();
    match named {
        Some(name) => {
            let checked = vouching(&config.issuers).check_groups_of(&name);
            let known = known.join(", ");
            checked.with_context(|| format!("--issuer {name}; configured are: {known}"))?;
            Ok(name)
        }
        None if config.issuers_for_people() == 1 => {
            let only = config
                .issuers
                .iter()
                .find(|issuer| issuer.vouches_for_people());
            let only = only.context("one issuer vouches for people")?.name.clone();
            vouching(&config.issuers).check_groups_of(&only)?;
            Ok(only)
        }
        None => bail!(
            "name the group's issuer with --issuer: {}",
            known.join(", ")
        ),
    }
}
