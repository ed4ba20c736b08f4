//! The last step: every file as it will be, and then making it: configuration, secrets, store, the first owner, the first policy. It never
//! overwrites anything, and takes back what it wrote when it cannot write all of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use control::policies;
use control::roles::{self, Holder};
use control::{Actor, Role};
use domain::{Clock as _, Ids as _, PersonId};
use ledger::private;
use secrecy::{ExposeSecret as _, SecretString};

use super::form::Secret;
use super::known::Kind;
use super::pages::{FileShown, Frame, Notice, WritePage};
use super::upstream::Way;
use super::walk::Walk;
use super::{issuer, upstream};
use crate::config::{self, Config};
use crate::policy_command::Here;
use crate::system::{SystemClock, SystemIds};
use crate::wiring;

const REASON: &str = "first run";

/// One file to make.
#[derive(Debug)]
struct Planned {
    path: PathBuf,
    about: &'static str,
    text: SecretString,
    is_secret: bool,
}

/// A text as TOML has it between quotes.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The page.
pub fn page(walk: &Walk, frame: Frame, notice: Option<Notice>) -> WritePage {
    let shown = |file: &Planned| FileShown {
        name: file.path.display().to_string(),
        about: file.about,
        text: (!file.is_secret).then(|| file.text.expose_secret().to_owned()),
    };
    let mut files: Vec<FileShown> = plan(walk).iter().map(shown).collect();
    files.push(FileShown {
        name: walk.organisation.data.clone(),
        about: "Store and ledger, readable by this account alone. Keep doorward.key with every backup.",
        text: None,
    });
    files.push(FileShown {
        name: "Policy, version 1".to_owned(),
        about: "In the store; changed in the console, or by the command doorward policy.",
        text: Some(walk.policy.text()),
    });
    WritePage {
        frame,
        notice,
        does: walk
            .owner
            .as_ref()
            .map_or_else(Vec::new, |owner| walk.policy.does(owner)),
        files,
    }
}

fn plan(walk: &Walk) -> Vec<Planned> {
    let mut files = Vec::new();
    let mut secret = |path: PathBuf, about, secret: Option<&Secret>| {
        if let Some(Secret::Typed(text)) = secret {
            files.push(Planned {
                path,
                about,
                text: text.clone(),
                is_secret: true,
            });
        }
    };
    let folder = &walk.at.folder;
    secret(
        issuer::secret_file(folder),
        "The client secret, mode 0600.",
        walk.issuer.secret.as_ref(),
    );
    let key = walk.upstream.secret.as_ref();
    secret(
        upstream::secret_file(folder),
        "The provider's key, mode 0600.",
        key.filter(|_| walk.upstream.way != Way::FoundryIdentity),
    );
    files.push(Planned {
        path: walk.at.file.clone(),
        about: "What Doorward stands on. Secrets are references. examples/doorward.toml has every key.",
        text: configuration(walk).into(),
        is_secret: false,
    });
    files
}

/// `doorward.toml`.
fn configuration(walk: &Walk) -> String {
    let of = &walk.organisation;
    let mut lines = vec![
        "# Written by `doorward setup`.".to_owned(),
        "[server]".to_owned(),
        format!("public_url = {}", quoted(&of.public_url)),
        format!("org = {}", quoted(&of.name)),
        format!("listen = {}", quoted(&of.listen)),
        format!("ops = {}", quoted(&of.ops.to_string())),
    ];
    if !of.certificate.is_empty() {
        let (certificate, key) = (quoted(&of.certificate), quoted(&of.key));
        lines.push(format!(
            "tls = {{ certificate = {certificate}, key = {key} }}"
        ));
    }
    let store = quoted(&format!("sqlite:{}", of.store().display()));
    let ledger = quoted(&of.ledger().display().to_string());
    lines.extend([
        String::new(),
        format!("[store]\nurl = {store}"),
        String::new(),
        format!("[ledger]\ndir = {ledger}"),
        String::new(),
        issuer_lines(walk),
        String::new(),
        upstream_lines(walk),
    ]);
    lines.join("\n") + "\n"
}

/// `[[issuer]]`, as it would stand in the configuration. Where an issuer alone is tried, the secret's place is for whoever writes it.
pub fn issuer_lines(walk: &Walk) -> String {
    let step = &walk.issuer;
    let config = step.config();
    let audiences: Vec<String> = config.audiences.iter().map(|id| quoted(id)).collect();
    let scopes: Vec<String> = config.scopes.iter().map(|scope| quoted(scope)).collect();
    let mut lines = vec![
        "[[issuer]]".to_owned(),
        format!("name = {}", quoted(&config.name)),
    ];
    if let Some(shown) = &config.display_name {
        lines.push(format!("display_name = {}", quoted(shown)));
    }
    if step.kind == Kind::Entra {
        lines.push("kind = \"entra\"".to_owned());
    }
    lines.extend([
        format!("issuer = {}", quoted(&config.issuer)),
        format!("audiences = [{}]", audiences.join(", ")),
        format!("client_id = {}", quoted(&step.client_id)),
    ]);
    let file = issuer::secret_file(&walk.at.folder);
    if walk.is_trial && matches!(step.secret, Some(Secret::Typed(_))) {
        lines.push(
            "# client_secret stays the reference that it is; where the secret is new, put it there"
                .to_owned(),
        );
    } else if let Some(reference) = reference(step.secret.as_ref(), &file) {
        lines.push(format!("client_secret = {reference}"));
    }
    lines.push(format!("scopes = [{}]", scopes.join(", ")));
    lines.push(format!("groups_claim = {}", quoted(&config.groups_claim)));
    lines.join("\n")
}

/// `[[upstream]]`.
fn upstream_lines(walk: &Walk) -> String {
    let step = &walk.upstream;
    let provider = match step.way {
        Way::Anthropic => "anthropic",
        Way::FoundryKey | Way::FoundryIdentity => "foundry",
    };
    let mut lines = vec![
        "[[upstream]]".to_owned(),
        format!("name = {}", quoted(&step.name)),
        format!("provider = {}", quoted(provider)),
    ];
    let Some(checked) = &step.checked else {
        return lines.join("\n");
    };
    let config = &checked.config;
    for (key, value) in [
        ("base_url", &config.base_url),
        ("resource", &config.resource),
        ("region", &config.region),
    ] {
        if let Some(value) = value {
            lines.push(format!("{key} = {}", quoted(value)));
        }
    }
    if !config.model_map.is_empty() {
        let pair =
            |(model, name): (&String, &String)| format!("{} = {}", quoted(model), quoted(name));
        let pairs: Vec<String> = config.model_map.iter().map(pair).collect();
        lines.push(format!("model_map = {{ {} }}", pairs.join(", ")));
    }
    let file = upstream::secret_file(&walk.at.folder);
    lines.push(match (step.way, reference(step.secret.as_ref(), &file)) {
        (Way::FoundryIdentity, _) | (_, None) => "auth = { managed_identity = {} }".to_owned(),
        (_, Some(reference)) => format!("auth = {{ api_key = {reference} }}"),
    });
    lines.join("\n")
}

fn reference(secret: Option<&Secret>, file: &Path) -> Option<String> {
    Some(match secret? {
        Secret::Typed(_) => quoted(&format!("file:{}", file.display())),
        Secret::Reference(text, _) => quoted(text),
    })
}

/// Makes all of it; says what was made, a line each.
pub async fn make(walk: &Walk) -> anyhow::Result<Vec<String>> {
    let files = plan(walk);
    for file in &files {
        let path = file.path.display();
        ensure!(
            !file.path.exists(),
            "{path} is there already; it stays as it is, and nothing was written"
        );
    }
    let mut made = Made::default();
    let store_is_new = !walk.organisation.store().exists();
    ensure!(
        store_is_new,
        "the folder for data holds a store already; nothing was written"
    );
    let data = Path::new(&walk.organisation.data);
    private::create_folder(data)
        .with_context(|| format!("the folder {} cannot be made", data.display()))?;
    for file in &files {
        made.file(file)?;
    }
    let config = config::load(&walk.at.file)
        .map_err(|mistakes| anyhow!("the configuration would not do: {}", mistakes.join("; ")))?;
    Box::pin(begin(walk, &config)).await?;
    let mut lines: Vec<String> = files
        .iter()
        .map(|file| file.path.display().to_string())
        .collect();
    lines.push(format!("{}: store and ledger", data.display()));
    lines.push("Version 1 of the policy, and the first owner".to_owned());
    made.is_whole = true;
    Ok(lines)
}

/// The store with its first owner and policy, by the functions that the command line uses.
async fn begin(walk: &Walk, config: &Config) -> anyhow::Result<()> {
    let owner = walk.owner.as_ref().context("nobody has signed in")?;
    let control = wiring::admin(config, Arc::new(SystemClock), Arc::new(SystemIds)).await?;
    let actor = Actor::command_line("first run");
    let operation = control.operation(&actor);
    let now = SystemClock.now();
    let seen = store::Seen {
        org: control.org,
        issuer: &owner.issuer,
        stable_id: &owner.stable_id,
        email: owner.email.as_deref(),
        name: owner.name.as_deref(),
        groups: &owner.groups,
        stated: now,
        made: now,
        at: now,
    };
    let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let person = control.store.upsert_person(seen, new).await?;
    roles::grant(&operation, Role::Owner, Holder::Person(person.id), REASON).await?;
    let text = walk.policy.text();
    policies::apply(&operation, &text, REASON, None, &Here::of(config)).await?;
    control.store.close().await;
    Ok(())
}

/// Files of ours, which go again when not all could be made.
#[derive(Debug, Default)]
struct Made {
    files: Vec<PathBuf>,
    is_whole: bool,
}

impl Made {
    fn file(&mut self, planned: &Planned) -> anyhow::Result<()> {
        let what = || format!("{} cannot be written", planned.path.display());
        // A file that appeared in between is somebody else's.
        let mut file = private::options()
            .write(true)
            .create_new(true)
            .open(&planned.path)
            .with_context(what)?;
        self.files.push(planned.path.clone());
        file.write_all(planned.text.expose_secret().as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(what)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        for file in &self.files {
            // what cannot be taken back is named by the next try
            let _ = std::fs::remove_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use gateway::upstream::{AuthConfig, ProviderKind, UpstreamConfig};

    use super::super::owner::Owner;
    use super::super::upstream::Checked;
    use super::*;

    fn walked(folder: &Path) -> Walk {
        let mut walk = super::super::walk::tests::walk(folder);
        walk.organisation.name = "North \"wind\"".to_owned();
        walk.issuer.turn_to(Kind::Other);
        walk.issuer.address = "https://idp.example".to_owned();
        walk.issuer.client_id = "doorward".to_owned();
        walk.issuer.secret = Secret::read("issuer-secret").unwrap();
        walk.owner = Some(Owner::sample());
        walk.upstream.turn_to(Way::Anthropic);
        walk.upstream.secret = Secret::read("provider-secret").unwrap();
        walk.upstream.checked = Some(Checked {
            config: UpstreamConfig {
                name: "anthropic".to_owned(),
                provider: ProviderKind::Anthropic,
                base_url: None,
                resource: None,
                auth: AuthConfig::ApiKey("provider-secret".into()),
                region: Some("eu".to_owned()),
                models: Vec::new(),
                model_map: std::collections::BTreeMap::new(),
            },
            models: vec!["claude-a".to_owned()],
        });
        let form =
            super::super::form::Form::sample("group=engineering&model=claude-a&budget=5&secrets=1");
        walk.policy.take(&form, &["claude-a".to_owned()]);
        walk
    }

    #[tokio::test]
    async fn what_is_written_can_be_served_and_holds_no_secret_where_it_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let walk = walked(folder.path());
        let shown = format!("{:?}", page(&walk, Frame::apart("x"), None));
        make(&walk).await.unwrap();
        let config = config::load(&walk.at.file).unwrap();
        assert_eq!(config.server.org, "North \"wind\"");
        assert_eq!(config.issuers[0].client_id.as_deref(), Some("doorward"));
        assert_eq!(config.upstreams[0].region.as_deref(), Some("eu"));
        let text = std::fs::read_to_string(&walk.at.file).unwrap();
        for secret in ["issuer-secret", "provider-secret"] {
            assert!(!shown.contains(secret) && !text.contains(secret));
        }
        for file in [
            "doorward.toml",
            "doorward.issuer.secret",
            "doorward.upstream.secret",
        ] {
            let mode = std::fs::metadata(folder.path().join(file))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let control = wiring::admin(&config, Arc::new(SystemClock), Arc::new(SystemIds))
            .await
            .unwrap();
        let bindings = control.store.roles(control.org).await.unwrap();
        assert_eq!(bindings.len(), 1);
        let latest = control
            .store
            .latest_policy(control.org)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(latest.version, 1);
    }

    #[tokio::test]
    async fn nothing_that_is_there_is_overwritten_and_nothing_half_done_is_left() {
        for there in [
            "doorward.toml",
            "doorward.issuer.secret",
            "doorward.upstream.secret",
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(there), "mine").unwrap();
            let walk = walked(folder.path());
            let error = make(&walk).await.unwrap_err().to_string();
            assert!(error.contains(there), "{error}");
            let text = std::fs::read_to_string(folder.path().join(there)).unwrap();
            assert_eq!(text, "mine");
            let left = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(left, 1, "{there}");
        }
    }

    #[tokio::test]
    async fn a_configuration_that_would_not_do_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut walk = walked(folder.path());
        walk.organisation.listen = "127.0.0.1:9090".to_owned();
        let error = make(&walk).await.unwrap_err().to_string();
        assert!(error.contains("server.ops"), "{error}");
        assert!(!walk.at.file.exists() && !issuer::secret_file(folder.path()).exists());
    }
}
