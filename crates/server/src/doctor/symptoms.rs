//! `doctor --symptom`: what people see when a client does not work, what it comes from and what helps; for a list of models that does not
//! load, the models of each ring ready to paste. Of the installation it reads the policy at most, and only for that one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use artefacts::symptoms::{self, MODEL_LIST, Symptom};
use control::artefacts::{self as rings, Wanted};
use domain::{OrgId, Policy};
use serde_json::{Value, json};
use store::Store;

use crate::config::{self, Config};
use crate::system::{complain, say};
use crate::wiring;

/// Says what is known about some words of a message; 1 when nothing is.
pub(super) async fn tell(question: &str, config: &Path) -> ExitCode {
    let found = symptoms::about(question);
    if found.is_empty() {
        let words: Vec<&str> = symptoms::ALL.iter().map(|symptom| symptom.word).collect();
        complain(&format!(
            "nothing known looks like that; try its code, or one word of it. Known: {}",
            words.join(", ")
        ));
        return ExitCode::from(1);
    }
    let told: Vec<String> = found.iter().copied().map(line).collect();
    say(&told.join("\n\n"));
    if found.iter().any(|symptom| symptom.word == MODEL_LIST)
        && let Some(models) = models(config).await
    {
        say(&models);
    }
    ExitCode::SUCCESS
}

fn line(symptom: &Symptom) -> String {
    format!(
        "{}: {}\n  Why:  {}\n  Do:   {}\n  Who:  {}",
        symptom.word,
        symptom.seen,
        symptom.cause,
        symptom.remedy,
        symptom.whose.words()
    )
}

/// What to put into each ring's configuration by hand; none where there is no installation to ask.
async fn models(path: &Path) -> Option<String> {
    if !path.exists() {
        return None;
    }
    let config = config::load_for_store(path).ok()?;
    let (lines, looked) = super::place::store(&config).await;
    drop(lines);
    let (store, org) = looked?;
    let policy = in_force(&store, org).await;
    store.close().await;
    Some(of_rings(&policy?, org, &config))
}

async fn in_force(store: &Store, org: OrgId) -> Option<Policy> {
    let latest = store.latest_policy(org).await.ok()??;
    Policy::parse(latest.version, &latest.text).ok()
}

fn of_rings(policy: &Policy, org: OrgId, config: &Config) -> String {
    let installation = wiring::installation(config);
    let mut out = format!(
        "\nBy policy version {}, for Claude Desktop's configuration (`doorward export` writes it in every format):",
        policy.version
    );
    for seen in rings::named(policy) {
        let wanted = Wanted {
            group: seen.group,
            ..Wanted::default()
        };
        let Ok(ring) = rings::of_policy(policy.clone(), org, &installation, &wanted) else {
            continue;
        };
        let models = ring.desktop().entries().get("inferenceModels");
        let paste = match models {
            Some(models) => json!({"modelDiscoveryEnabled": false, "inferenceModels": models}),
            None => Value::Null,
        };
        let name = domain::text::shown(ring.name());
        let _ = match paste {
            Value::Null => write!(out, "\n\n{name}: no model is granted to it by itself"),
            paste => write!(out, "\n\n{name}:\n{paste:#}"),
        };
    }
    out
}
