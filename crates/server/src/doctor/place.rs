//! What Doorward stands on at this machine: store, policy, ledger, programs that may be connectors. Only looked at: no migration, no lock, no row; one small file is
//! made in the ledger's folder and removed.

use std::io::Write as _;
use std::path::Path;

use ::connectors::stdio::{self, ConnectorProgram, StartError};
use control::policies::Examine as _;
use control::roles;
use domain::{Ids, OrgId, Policy};
use pipeline::identity::hex;
use secrecy::ExposeSecret as _;
use store::{Engine, Store, StoreError};

use super::report::{Line, Whose};
use crate::config::Config;
use crate::policy_command::Here;
use crate::system::chain;

/// The store as it is, and the organisation in it.
pub(super) async fn store(config: &Config) -> (Vec<Line>, Option<(Store, OrgId)>) {
    let url = config.store.url.expose_secret();
    let (store, schema) = match Store::look(url).await {
        Ok(found) => found,
        Err(StoreError::File(_, error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return (
                vec![absent(url), policy_missing("there is no store yet")],
                None,
            );
        }
        Err(error) => return (vec![unusable(&error), skipped_policy()], None),
    };
    let engine = match store.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let mut evidence = format!("{engine}, schema {} of {}", schema.found, schema.known);
    if schema.found < schema.known {
        evidence.push_str("; the next `doorward serve` brings it up to date");
    }
    let mut lines = vec![Line::pass("store", evidence)];
    if schema.found == 0 {
        lines.push(policy_missing("the store is empty"));
        return (lines, None);
    }
    let org = match store.org_named(&config.server.org).await {
        Ok(org) => org,
        Err(error) => return (vec![unusable(&error), skipped_policy()], None),
    };
    match org {
        Some(org) => {
            lines.push(policy(&store, org, config).await);
            lines.push(owners(&store, org).await);
        }
        None => lines.push(policy_missing(
            "the store does not know the organisation of server.org",
        )),
    }
    (lines, org.map(|org| (store, org)))
}

fn absent(url: &str) -> Line {
    let path = store::sqlite_file(url).unwrap_or(Path::new(url));
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match touch(folder) {
        Ok(()) => Line::pass(
            "store",
            format!(
                "{} is not there yet; the first start makes it",
                path.display()
            ),
        ),
        Err(error) => Line::fail(
            "store",
            format!(
                "{} is not there, and nothing can be made in its folder: {error}",
                path.display()
            ),
            Whose::Operator,
            "make the folder and let Doorward's account write in it",
        ),
    }
}

fn unusable(error: &StoreError) -> Line {
    let remedy = match error {
        StoreError::NewerSchema { .. } => "run the newer version of Doorward that migrated it",
        StoreError::ChangedMigration(_) => "point store.url at Doorward's own database",
        StoreError::File(..) => "let Doorward's account read and write the file",
        _ => "start the database, and check address, name and password in store.url",
    };
    Line::fail("store", chain(error), Whose::Operator, remedy)
}

/// Whether a program that may be a connector is what was pinned, and its sandbox can be made here.
pub(super) async fn program(check: &str, program: &ConnectorProgram) -> Line {
    match stdio::examine(program).await {
        Ok(()) => Line::pass(check, "it is what is pinned, and its sandbox can be made"),
        Err(error) => {
            let remedy = match error {
                StartError::Pinned(_) => {
                    "find out who changed it, then pin what it is now in doorward.toml"
                }
                StartError::NoSandbox => "install the package bubblewrap",
                _ => "let Doorward's account make user namespaces (docs/connectors.md, Programs)",
            };
            Line::fail(check, chain(&error), Whose::Operator, remedy)
        }
    }
}

fn skipped_policy() -> Line {
    Line::skipped("policy", "the store cannot be read")
}

fn policy_missing(why: &str) -> Line {
    Line::fail(
        "policy",
        format!("{why}: nobody may use anything"),
        Whose::Operator,
        "write a policy with a [[grant]] and `doorward policy apply` it",
    )
}

async fn policy(store: &Store, org: OrgId, config: &Config) -> Line {
    let latest = match store.latest_policy(org).await {
        Ok(Some(latest)) => latest,
        Ok(None) => return policy_missing("no version has been applied"),
        Err(error) => return Line::skipped("policy", chain(&error)),
    };
    let policy = match Policy::parse(latest.version, &latest.text) {
        Ok(policy) => policy,
        Err(error) => {
            let evidence = format!(
                "version {} cannot be read: {}",
                latest.version,
                chain(&error)
            );
            return Line::fail(
                "policy",
                evidence,
                Whose::Operator,
                "apply a version that can be read; older ones stay in the store",
            );
        }
    };
    let grants = policy
        .document()
        .grant
        .iter()
        .filter(|grant| !grant.models.is_empty())
        .count();
    if grants == 0 {
        return policy_missing(&format!("version {} grants nothing", latest.version));
    }
    let mistakes = Here::of(config).mistakes(&policy);
    if !mistakes.is_empty() {
        return Line::fail(
            "policy",
            format!("version {}: {}", latest.version, mistakes.join("; ")),
            Whose::Operator,
            "correct the names and `doorward policy apply`; until then those rules find nothing and let nobody in, and those roles are nobody's",
        );
    }
    Line::pass(
        "policy",
        format!("version {}, grants: {grants}", latest.version),
    )
}

/// Whether somebody can give roles, and not too many can.
async fn owners(store: &Store, org: OrgId) -> Line {
    match store.roles(org).await {
        Err(error) => Line::skipped("owners", chain(&error)),
        Ok(bindings) => match roles::warning(&bindings) {
            None => Line::pass("owners", "one or two"),
            Some(warning) => Line::warn(
                "owners",
                warning,
                Whose::Operator,
                "`doorward role list` shows them; `doorward role grant` and `role revoke` mend it",
            ),
        },
    }
}

/// The ledger's folder. A running server's lock on it is left alone.
pub(super) fn ledger(config: &Config) -> Line {
    let dir = &config.ledger.dir;
    let (folder, evidence) = if dir.is_dir() {
        (dir.as_path(), format!("{} can be written", dir.display()))
    } else {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let evidence = format!(
            "{} is not there yet; the first start makes it",
            dir.display()
        );
        (parent.unwrap_or(Path::new(".")), evidence)
    };
    match touch(folder) {
        Ok(()) => Line::pass("ledger", evidence),
        Err(error) => Line::fail(
            "ledger",
            format!("nothing can be written to {}: {error}", folder.display()),
            Whose::Operator,
            "make the folder, free its disk, and let Doorward's account write in it; without it every call is refused",
        ),
    }
}

/// Whether a file can be made, written to the disk and removed there.
fn touch(folder: &Path) -> std::io::Result<()> {
    let mut bytes = [0u8; 8];
    crate::system::SystemIds.fill(&mut bytes);
    let path = folder.join(format!(".doctor-{}", hex(&bytes)));
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(&path)?;
    let written = file.write_all(b"doctor\n").and_then(|()| file.sync_all());
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
