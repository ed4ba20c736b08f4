//! The fourth step: the provider of Claude, our credential there, and whether it takes it: one question that is not billed.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::limits;
use domain::model::ModelPattern;
use gateway::inference::catalogue::Catalogue;
use gateway::upstream::{AuthConfig, ProviderKind, UpstreamConfig, client, probe};

use super::form::{Form, Input, Secret};
use super::pages::{Finding, FormPage, Frame};
use super::walk::Step;
use crate::doctor::report::{Line, Status, Whose};
use crate::doctor::upstreams;
use crate::system::{SystemClock, chain};

/// Which provider, and how we prove ourselves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// Anthropic with a key.
    #[default]
    Anthropic,
    /// Foundry with a key.
    FoundryKey,
    /// Foundry with the machine's own identity.
    FoundryIdentity,
}

impl Way {
    const ALL: [Self; 3] = [Self::Anthropic, Self::FoundryKey, Self::FoundryIdentity];

    const fn word(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::FoundryKey => "foundry",
            Self::FoundryIdentity => "foundry-identity",
        }
    }

    const fn tab(self) -> &'static str {
        match self {
            Self::Anthropic => "Anthropic",
            Self::FoundryKey => "Foundry, key",
            Self::FoundryIdentity => "Foundry, managed identity",
        }
    }

    /// The way of a word; the first for any other.
    pub fn of(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|way| way.word() == word);
        found.unwrap_or_default()
    }

    const fn is_foundry(self) -> bool {
        !matches!(self, Self::Anthropic)
    }
}

/// What was typed, and what came of it.
#[derive(Debug, Default)]
pub struct UpstreamStep {
    /// Which.
    pub way: Way,
    /// What records call it.
    pub name: String,
    /// Its address, where it is not the usual one.
    pub base_url: String,
    /// Foundry's resource.
    pub resource: String,
    /// The key.
    pub secret: Option<Secret>,
    /// Deployments: `model = deployment`, a line each.
    pub deployments: String,
    /// The data region.
    pub region: String,
    /// As it would be configured, once it was looked at.
    pub checked: Option<Checked>,
    findings: Vec<Line>,
    wrong: Vec<(&'static str, String)>,
}

/// A provider that was asked.
#[derive(Debug)]
pub struct Checked {
    /// As it would be configured.
    pub config: UpstreamConfig,
    /// The models to choose from.
    pub models: Vec<String>,
}

impl UpstreamStep {
    /// Turns to another way.
    pub fn turn_to(&mut self, way: Way) {
        if way != self.way || self.name.is_empty() {
            let name = if way.is_foundry() {
                "foundry"
            } else {
                "anthropic"
            };
            *self = Self {
                way,
                name: name.to_owned(),
                ..Self::default()
            };
        }
    }

    /// Takes what was typed and asks the provider.
    pub async fn take(&mut self, form: &Form) {
        self.turn_to(Way::of(form.field("kind")));
        let text = |name: &str| form.field(name).to_owned();
        self.name = text("name");
        let base_url = form.field("base_url").trim_end_matches('/');
        base_url.clone_into(&mut self.base_url);
        self.resource = text("resource");
        self.deployments = text("deployments");
        self.region = text("region");
        self.checked = None;
        self.findings.clear();
        self.wrong.clear();
        match Secret::read(form.field("key")) {
            Ok(Some(secret)) => self.secret = Some(secret),
            Ok(None) => {}
            Err(why) => self.wrong.push(("key", why)),
        }
        let Some(config) = self.config() else { return };
        if !self.wrong.is_empty() {
            return;
        }
        self.ask(config, form.is_on("anyway")).await;
    }

    async fn ask(&mut self, config: UpstreamConfig, anyway: bool) {
        let client = match client::connect() {
            Ok(client) => client,
            Err(error) => {
                let remedy = "install the system's trusted certificates (ca-certificates)";
                let line = Line::fail("provider", chain(&error), Whose::Operator, remedy);
                self.findings.push(line);
                return;
            }
        };
        let [reached, taken] = upstreams::reach_one(&config, &client).await;
        let failed = self.judge(reached, taken);
        if failed && !anyway {
            return;
        }
        let offered = if failed {
            Vec::new()
        } else {
            probe::models(&config, &client, Arc::new(SystemClock))
                .await
                .unwrap_or_default()
        };
        self.checked = Some(Checked {
            models: choices(&config, offered),
            config,
        });
    }

    /// Keeps what was found, says it beside the field that it is about, and whether something failed.
    fn judge(&mut self, reached: Line, taken: Line) -> bool {
        let address = if self.way.is_foundry() && self.base_url.is_empty() {
            "resource"
        } else {
            "base_url"
        };
        // No such deployment is not the key's doing, and a provider in trouble is no field's.
        let credential = if taken.evidence.ends_with("404") {
            "deployments"
        } else {
            "key"
        };
        let fields = [(address, &reached), (credential, &taken)];
        let is_failed = |line: &Line| line.status == Status::Fail;
        let failed: Vec<_> = fields
            .into_iter()
            .filter(|(_, line)| is_failed(line) && line.whose != Some(Whose::Provider))
            .map(|(field, line)| (field, format!("did not work: {}", line.evidence)))
            .collect();
        self.wrong.extend(failed);
        let has_failed = is_failed(&reached) || is_failed(&taken);
        self.findings = vec![reached, taken];
        if has_failed {
            // To somebody whose key was refused, that the provider was reached would only say that all is well.
            self.findings.retain(is_failed);
        }
        has_failed
    }

    /// As it would be configured; none, with what is wrong beside its field.
    fn config(&mut self) -> Option<UpstreamConfig> {
        let is_name = !self.name.is_empty()
            && self.name.len() <= 64
            && self.name.chars().all(|c| c.is_ascii_graphic());
        if !is_name {
            let why = "needs 1 to 64 printable characters without blanks";
            self.wrong.push(("name", why.to_owned()));
        }
        let auth = match (self.way, &self.secret) {
            (Way::FoundryIdentity, _) => AuthConfig::ManagedIdentity {
                client_id: None,
                endpoint: None,
            },
            (_, Some(secret)) => AuthConfig::ApiKey(secret.value().clone()),
            (_, None) => {
                self.wrong.push(("key", "is needed".to_owned()));
                return None;
            }
        };
        let is_resource = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if self.way.is_foundry() && self.base_url.is_empty() && self.resource.is_empty() {
            self.wrong.push(("resource", "is needed".to_owned()));
            return None;
        }
        if !is_resource(&self.resource) {
            let why = "is the resource's name alone: letters, digits and hyphens";
            self.wrong.push(("resource", why.to_owned()));
        }
        let model_map = match deployments(&self.deployments) {
            Ok(map) => map,
            Err(why) => {
                self.wrong.push(("deployments", why));
                return None;
            }
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let config = UpstreamConfig {
            name: self.name.clone(),
            provider: if self.way.is_foundry() {
                ProviderKind::Foundry
            } else {
                ProviderKind::Anthropic
            },
            base_url: given(&self.base_url),
            resource: given(&self.resource).filter(|_| self.base_url.is_empty()),
            auth,
            region: given(&self.region),
            models: Vec::<ModelPattern>::new(),
            model_map,
        };
        if let Err(error) = config.check() {
            self.wrong.push(("base_url", chain(&error)));
        }
        Some(config)
    }

    /// The page.
    pub fn page(&self, frame: Frame) -> FormPage {
        let failed = self.findings.iter().any(|line| line.status == Status::Fail);
        let kind = |way: Way| {
            let to = format!("{}?kind={}", Step::Upstream.path(), way.word());
            (way.tab(), to, way == self.way)
        };
        FormPage {
            frame,
            lead: "Doorward alone holds this credential; no client ever sees it. It is tried with one question that is not billed. More providers, and the order in which they are tried, go into the file afterwards.",
            notice: None,
            kinds: Way::ALL.into_iter().map(kind).collect(),
            kind: self.way.word(),
            action: Step::Upstream.path(),
            inputs: self.inputs(),
            findings: self.findings.iter().map(Finding::from).collect(),
            anyway: failed.then_some("Go on all the same; I will put it right later"),
            button: "Try it and go on",
            back: Some(Step::Owner.path()),
        }
    }

    fn inputs(&self) -> Vec<Input> {
        let wrong = |name: &str| {
            let found = self.wrong.iter().find(|(field, _)| *field == name);
            found.map(|(_, what)| what.clone())
        };
        let input = |name, label, value: &str, hint: &str| {
            Input::text(name, label, value, hint).wrong(wrong(name))
        };
        let mut inputs = Vec::new();
        if self.way.is_foundry() {
            inputs.push(input(
                "resource",
                "Foundry resource",
                &self.resource,
                "Its name, as in https://<resource>.services.ai.azure.com.",
            ));
        }
        if self.way != Way::FoundryIdentity {
            inputs.push(Input::secret("key", "Key", self.secret.as_ref()).wrong(wrong("key")));
        }
        if self.way.is_foundry() {
            let hint = "A line for each: model = deployment, such as claude-sonnet-5-5 = sonnet-eu. Empty where the deployments have the models' own names.";
            inputs.push(input("deployments", "Deployments", &self.deployments, hint).long());
        }
        let usual = if self.way.is_foundry() {
            "Only where the resource's own address is not the one."
        } else {
            "Only where it is not https://api.anthropic.com: a proxy, say."
        };
        inputs.push(input("base_url", "Another address", &self.base_url, usual));
        inputs.push(input(
            "region",
            "Data region",
            &self.region,
            "As your rules will call it, such as eu. Empty where no rule will ask.",
        ));
        inputs.push(input(
            "name",
            "Name in records",
            &self.name,
            "Without blanks.",
        ));
        inputs
    }
}

/// `model = deployment`, a line each.
fn deployments(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut map = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let is_word = |text: &str| {
            !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic())
        };
        let parts = line
            .split_once('=')
            .map(|(model, name)| (model.trim(), name.trim()));
        match parts {
            Some((model, name)) if is_word(model) && is_word(name) => {
                map.insert(model.to_owned(), name.to_owned());
            }
            _ => return Err("needs lines such as claude-sonnet-5-5 = sonnet-eu".to_owned()),
        }
    }
    Ok(map)
}

/// What there is to choose from: what the configuration names, else what the provider lists, else what we know.
fn choices(config: &UpstreamConfig, offered: Vec<String>) -> Vec<String> {
    let named: Vec<String> = config.model_map.keys().cloned().collect();
    let mut models = if named.is_empty() { offered } else { named };
    if models.is_empty() {
        let known = Catalogue::new(Vec::new());
        models = known
            .models()
            .iter()
            .map(|model| model.id.to_string())
            .collect();
    }
    models.retain(|id| {
        id.chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '*' | '"' | '\\'))
    });
    models.truncate(limits::SETUP_CHOICES_MAX);
    models
}

/// The file of a key that was typed.
pub fn secret_file(folder: &std::path::Path) -> std::path::PathBuf {
    folder.join("doorward.upstream.secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(encoded: &str) -> Vec<&'static str> {
        let form = Form::sample(encoded);
        let mut step = UpstreamStep::default();
        step.turn_to(Way::of(form.field("kind")));
        step.name = form.field("name").to_owned();
        step.base_url = form.field("base_url").to_owned();
        step.resource = form.field("resource").to_owned();
        step.deployments = form.field("deployments").to_owned();
        step.secret = Secret::read(form.field("key")).unwrap();
        let _ = step.config();
        step.wrong.iter().map(|(field, _)| *field).collect()
    }

    #[test]
    fn each_mistake_stands_beside_its_field() {
        let none: [&str; 0] = [];
        assert_eq!(mistakes("kind=anthropic&name=a&key=k"), none);
        assert_eq!(mistakes("kind=anthropic&name=a"), ["key"]);
        assert_eq!(mistakes("kind=anthropic&name=two words&key=k"), ["name"]);
        assert_eq!(
            mistakes("kind=anthropic&name=a&key=k&base_url=http://else.example"),
            ["base_url"]
        );
        assert_eq!(mistakes("kind=foundry&name=a&key=k"), ["resource"]);
        assert_eq!(
            mistakes("kind=foundry&name=a&key=k&resource=a.b/c"),
            ["resource"]
        );
        assert_eq!(
            mistakes("kind=foundry&name=a&key=k&resource=a&deployments=x"),
            ["deployments"]
        );
        assert_eq!(mistakes("kind=foundry-identity&name=a&resource=a"), none);
    }

    #[test]
    fn what_a_trial_finds_stands_beside_the_field_it_is_about_and_nothing_passes_with_it() {
        let pass = |check: &str| Line::pass(check, "answered 401");
        let fail = |check: &str| Line::fail(check, "no", Whose::Operator, "try again");
        let step = |encoded: &str, reached, taken| {
            let form = Form::sample(encoded);
            let mut step = UpstreamStep::default();
            step.turn_to(Way::of(form.field("kind")));
            let failed = step.judge(reached, taken);
            let fields: Vec<_> = step.wrong.iter().map(|(field, _)| *field).collect();
            (failed, fields, step.findings.len())
        };
        let refused = step("kind=anthropic", pass("a"), fail("b"));
        assert_eq!(refused, (true, vec!["key"], 1));
        let away = step("kind=foundry", fail("a"), Line::skipped("b", "away"));
        assert_eq!(away, (true, vec!["resource"], 1));
        let fine = step("kind=anthropic", pass("a"), pass("b"));
        assert_eq!(fine, (false, vec![], 2));
    }

    #[test]
    fn there_is_always_something_to_choose_from_and_nothing_that_is_a_pattern() {
        let config = UpstreamConfig {
            name: "a".to_owned(),
            provider: ProviderKind::Anthropic,
            base_url: None,
            resource: None,
            auth: AuthConfig::ApiKey("k".into()),
            region: None,
            models: Vec::new(),
            model_map: BTreeMap::new(),
        };
        assert!(choices(&config, Vec::new()).len() > 2);
        let offered = vec!["claude-a".to_owned(), "*".to_owned(), "x\"y".to_owned()];
        assert_eq!(choices(&config, offered), ["claude-a"]);
    }
}
