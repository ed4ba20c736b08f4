//! The second step: which identity provider, the application to make there, and whether what was typed holds, as far as its own documents
//! tell. What they cannot tell a real sign-in does ([`super::trial`]).

use std::path::Path;
use std::sync::Arc;

use pipeline::fetch::Ask;
use pipeline::identity::config::mistakes;
use pipeline::identity::{Identity, Issuer, IssuerConfig, IssuerKind};
use serde_json::Value;

use super::form::{Form, Input, Secret};
use super::known::{self, Kind};
use crate::demo::world::TempFolder;
use crate::doctor::issuers;
use crate::doctor::report::{Line, Status, Whose};
use crate::system::{SystemIds, chain};
use crate::wiring;

/// What was typed, and what came of it.
#[derive(Debug, Default)]
pub struct IssuerStep {
    /// Which provider.
    pub kind: Kind,
    /// What it is called in policy and records.
    pub name: String,
    /// The tenant or address.
    pub address: String,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub secret: Option<Secret>,
    /// Claude Desktop's application.
    pub desktop_id: String,
    /// Scopes asked for.
    pub scopes: String,
    /// The claim that holds groups.
    pub groups_claim: String,
    /// What is ready to be tried.
    pub ready: Option<Ready>,
    wrong: Vec<(&'static str, String)>,
}

/// An issuer as it would be configured, with a Doorward of its own to try it in.
#[derive(Debug)]
pub struct Ready {
    /// As it would be configured.
    pub config: IssuerConfig,
    /// What its documents say.
    pub findings: Vec<Line>,
    /// The identity stage, on a store that is thrown away.
    pub identity: Arc<Identity>,
    _folder: TempFolder,
}

impl Ready {
    /// The issuer.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.identity.issuers()[0]
    }

    /// Whether nothing speaks against trying it.
    pub fn can_be_tried(&self) -> bool {
        let failed = |line: &Line| line.status == Status::Fail;
        !self.findings.iter().any(failed)
    }
}

impl IssuerStep {
    /// Notes that the trial spoke against a field.
    pub fn refuse(&mut self, field: &'static str, what: &str) {
        self.wrong.clear();
        self.wrong.push((field, what.to_owned()));
    }

    /// Nothing speaks against what was typed any more.
    pub fn settle(&mut self) {
        self.wrong.clear();
    }

    /// As it is configured. Its secret is kept like one that was typed.
    pub fn of(config: &IssuerConfig) -> Self {
        let kind = Kind::of_issuer(&config.issuer, config.kind);
        let client_id = config.client_id.clone().unwrap_or_default();
        let mut others = config.audiences.iter().filter(|id| **id != client_id);
        Self {
            kind,
            name: config.name.clone(),
            address: kind.address_of(&config.issuer),
            secret: config.client_secret.clone().map(Secret::Typed),
            desktop_id: others.next().cloned().unwrap_or_default(),
            client_id,
            scopes: config.scopes.join(" "),
            groups_claim: config.groups_claim.clone(),
            ..Self::default()
        }
    }

    /// Turns to another kind, with its own words in the fields.
    pub fn turn_to(&mut self, kind: Kind) {
        if kind != self.kind || self.name.is_empty() {
            *self = Self {
                kind,
                name: kind.name().to_owned(),
                scopes: kind.scopes().to_owned(),
                groups_claim: "groups".to_owned(),
                ..Self::default()
            };
        }
    }

    /// Takes what was typed and asks the provider's documents.
    pub async fn take(&mut self, form: &Form, public_url: &str) {
        self.turn_to(Kind::of(form.field("kind")));
        self.ready = None;
        form.field("name").clone_into(&mut self.name);
        self.address = known::tidy_address(form.field("address"));
        form.field("client_id").clone_into(&mut self.client_id);
        form.field("desktop_id").clone_into(&mut self.desktop_id);
        self.scopes = form
            .field("scopes")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        form.field("groups_claim")
            .clone_into(&mut self.groups_claim);
        self.wrong.clear();
        match Secret::read(form.field("client_secret")) {
            Ok(Some(secret)) => self.secret = Some(secret),
            Ok(None) => {}
            Err(why) => self.wrong.push(("client_secret", why)),
        }
        let config = self.config();
        self.wrong.extend(self.mistakes(&config));
        if !self.wrong.is_empty() {
            return;
        }
        match ready(config, public_url).await {
            Ok(ready) => {
                let is_failed = |line: &&Line| line.status == Status::Fail;
                if let Some(line) = ready.findings.iter().find(is_failed) {
                    self.wrong.push(("address", line.evidence.clone()));
                }
                self.ready = Some(ready);
            }
            Err(error) => self.wrong.push(("address", chain(error.as_ref()))),
        }
    }

    /// As it would be configured.
    pub fn config(&self) -> IssuerConfig {
        let audiences: Vec<&str> = [&*self.client_id, &*self.desktop_id]
            .into_iter()
            .filter(|id| !id.is_empty())
            .collect();
        let mut config =
            IssuerConfig::new(&self.name, &self.kind.issuer(&self.address), &audiences);
        config.display_name = Some(self.kind.shown().to_owned());
        if self.kind == Kind::Other {
            config.display_name = None;
        }
        if self.kind == Kind::Entra {
            config.kind = IssuerKind::Entra;
        }
        config.client_id = Some(self.client_id.clone());
        config.client_secret = self.secret.as_ref().map(|secret| secret.value().clone());
        config.scopes = self.scopes.split_whitespace().map(str::to_owned).collect();
        config.groups_claim.clone_from(&self.groups_claim);
        config
    }

    fn mistakes(&self, config: &IssuerConfig) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.client_id.is_empty() {
            wrong.push(("client_id", "is needed".to_owned()));
        }
        if let Some(why) = self.kind.address_mistake(&self.address) {
            wrong.push(("address", why.to_owned()));
        }
        if !config.scopes.iter().any(|scope| scope == "openid") {
            wrong.push((
                "scopes",
                "must hold openid, or there is no ID token".to_owned(),
            ));
        }
        if self.groups_claim.is_empty() {
            wrong.push((
                "groups_claim",
                "is needed; most providers call it groups".to_owned(),
            ));
        }
        if wrong.is_empty() {
            let of_config = mistakes(std::slice::from_ref(config)).into_iter();
            wrong.extend(of_config.map(|mistake| {
                let field = match mistake.path.rsplit('.').next() {
                    Some("name") => "name",
                    Some("audiences") => "client_id",
                    _ => "address",
                };
                (field, mistake.what)
            }));
        }
        wrong
    }

    /// The fields of the page.
    pub fn inputs(&self) -> Vec<Input> {
        let wrong = |name: &str| {
            let found = self.wrong.iter().find(|(field, _)| *field == name);
            found.map(|(_, what)| what.clone())
        };
        let input = |name, label, value: &str, hint: &str| {
            Input::text(name, label, value, hint).wrong(wrong(name))
        };
        let mut inputs = Vec::new();
        if let Some((label, hint)) = self.kind.address_field() {
            inputs.push(input("address", label, &self.address, hint));
        }
        inputs.push(input(
            "client_id",
            self.kind.client_label(),
            &self.client_id,
            "Of the application that you made for Doorward.",
        ));
        inputs.push(
            Input::secret("client_secret", "Client secret", self.secret.as_ref())
                .wrong(wrong("client_secret")),
        );
        inputs.push(input(
            "desktop_id",
            "Claude Desktop's client id",
            &self.desktop_id,
            "Of the second application that Claude Desktop signs in with; may come later.",
        ));
        inputs.push(input(
            "name",
            "Name in policy and records",
            &self.name,
            "Without blanks; it does not change later.",
        ));
        inputs.push(input(
            "scopes",
            "Scopes",
            &self.scopes,
            "As they are asked for at sign-in.",
        ));
        if self.kind.states_groups() {
            inputs.push(input(
                "groups_claim",
                "Claim that holds the groups",
                &self.groups_claim,
                "As the ID token calls it; with a slash before it a JSON pointer.",
            ));
        }
        inputs
    }
}

/// Reads the issuer's documents with the code that will read them later.
async fn ready(config: IssuerConfig, public_url: &str) -> anyhow::Result<Ready> {
    let folder = TempFolder::new("setup", &SystemIds)?;
    let identity = wiring::identity_on_trial(config.clone(), public_url, folder.path()).await?;
    identity.warm_up().await;
    let mut findings = issuers::check(&identity).await;
    if findings.iter().all(|line| line.status != Status::Fail) {
        findings.extend(document(&identity.issuers()[0]).await);
    }
    Ok(Ready {
        config,
        findings,
        identity: Arc::new(identity),
        _folder: folder,
    })
}

/// What the discovery document says of what a sign-in needs.
async fn document(issuer: &Issuer) -> Vec<Line> {
    let Some(url) = issuers::document(issuer.config()) else {
        return Vec::new();
    };
    match issuer.fetch().json(Ask::get(&url)).await {
        Ok(document) => promises(&document),
        Err(error) => vec![Line::fail(
            "discovery document",
            error.chain(),
            Whose::IdentityProvider,
            "check the address, and try again",
        )],
    }
}

/// Whether it promises what we ask for. What a provider leaves out it may do all the same; the sign-in tells.
fn promises(document: &Value) -> Vec<Line> {
    let lists = |key: &str, wanted: &str| {
        let list = document[key].as_array();
        list.map(|list| list.iter().any(|one| one == wanted))
    };
    let mut lines = Vec::new();
    for key in ["authorization_endpoint", "token_endpoint"] {
        lines.push(match document[key].as_str() {
            Some(address) => Line::pass(key.replace('_', " "), address),
            None => Line::fail(
                key.replace('_', " "),
                "the discovery document names none",
                Whose::IdentityProvider,
                "people cannot sign in by a browser there",
            ),
        });
    }
    for (check, key, wanted, without) in [
        (
            "code flow",
            "response_types_supported",
            "code",
            "sign-in by code is off",
        ),
        (
            "PKCE",
            "code_challenge_methods_supported",
            "S256",
            "the code is not protected on its way",
        ),
        (
            "client secret",
            "token_endpoint_auth_methods_supported",
            "client_secret_basic",
            "a secret is taken in another way",
        ),
        (
            "openid",
            "scopes_supported",
            "openid",
            "there may be no ID token",
        ),
        (
            "time of sign-in",
            "claims_supported",
            "auth_time",
            "dangerous actions in the console need it; the trial shows whether it is there",
        ),
    ] {
        lines.push(match lists(key, wanted) {
            Some(true) => Line::pass(check, format!("{wanted} is listed")),
            Some(false) => Line::warn(
                check,
                format!("{wanted} is not listed in {key}: {without}"),
                Whose::IdentityProvider,
                "go on if the sign-in below works",
            ),
            None => Line::skipped(check, format!("the document does not say ({key})")),
        });
    }
    lines
}

/// The origins that a form may lead to.
pub async fn origins(ready: &Ready) -> Vec<String> {
    let endpoints = ready.issuer().endpoints().await;
    let authorization = endpoints.ok().and_then(|endpoints| endpoints.authorization);
    let origin = authorization.map(|url| url.origin().ascii_serialization());
    origin.into_iter().collect()
}

/// The file of a secret that was typed.
pub fn secret_file(folder: &Path) -> std::path::PathBuf {
    folder.join("doorward.issuer.secret")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_document_promises_is_told_and_what_it_leaves_out_is_not_held_against_it() {
        let whole = json!({
            "authorization_endpoint": "https://idp.example/authorize", "token_endpoint": "https://idp.example/token",
            "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"], "scopes_supported": ["openid"],
            "claims_supported": ["sub", "auth_time"],
        });
        let status = |document: &Value| {
            let lines = promises(document).into_iter();
            lines.map(|line| line.status).collect::<Vec<_>>()
        };
        assert_eq!(status(&whole), [Status::Pass; 7]);
        let bare = json!({"authorization_endpoint": "https://idp.example/authorize"});
        assert_eq!(status(&bare)[..2], [Status::Pass, Status::Fail]);
        assert_eq!(status(&bare)[2..], [Status::Skipped; 5]);
        let without = json!({"claims_supported": ["sub"]});
        assert_eq!(status(&without)[6], Status::Warn);
    }

    #[test]
    fn a_kind_brings_its_own_address_and_keeps_nothing_of_another() {
        let mut step = IssuerStep::default();
        step.turn_to(Kind::Entra);
        step.address = "72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned();
        step.client_id = "app".to_owned();
        let config = step.config();
        assert_eq!(
            config.issuer,
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
        );
        assert!(step.mistakes(&config).is_empty());
        step.turn_to(Kind::Google);
        assert!(step.address.is_empty() && step.client_id.is_empty());
        assert_eq!(step.config().issuer, "https://accounts.google.com");
    }
}
