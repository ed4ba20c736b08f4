//! The acceptable-use policy: publish a version, compare versions ([`draft`]: write one; [`accepted`]: who has accepted). A version
//! never changes; its paragraph on what is recorded is made here from the settings in force, never taken from whoever publishes.
//! Accepting is the person's own act and `pipeline::acceptance`'s.

pub mod accepted;
pub mod draft;

use domain::Policy;
use domain::acceptable_use::text::{complete, fill, long_sentences};
use domain::acceptable_use::{Installation, Mistake, Settings, TEMPLATE, Variables, is_language};
use ledger::record::ChangeKind;
use store::PutUse;

pub use accepted::{Own, Report, Standing, of_people, own, report};
pub use draft::{Draft, NewDraft, Preview, Tag, preview, save};
pub use store::{Acceptance, UseVersion};

use crate::access::Right;
use crate::diff::unified;
use crate::text::Unusable;
use crate::{ControlError, Operation, fingerprint};

/// The template with what is known filled in, for people to edit.
pub fn template(values: &Variables) -> String {
    fill(TEMPLATE, values)
}

/// A version to publish.
#[derive(Debug, Clone)]
pub struct NewVersion<'n> {
    /// The text, with `{{monitoring}}` where the paragraph on what is recorded goes.
    pub text: &'n str,
    /// Values of its variables.
    pub values: Variables,
    /// The tag of its language.
    pub language: &'n str,
    /// Why it is published.
    pub reason: &'n str,
    /// The version it was made from; the latest when left out.
    pub expected: Option<u64>,
    /// Whether acceptances of the version before count for this one: for corrections that change nobody's duties.
    pub keeps_acceptances: bool,
}

/// What became of publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// This version is in force.
    Version {
        /// Its number.
        version: u64,
        /// Sentences that are hard to read, cut short.
        long_sentences: Vec<String>,
    },
    /// The version in force is this text already; nothing was written.
    Unchanged(u64),
}

/// Publishes a version. It is in force on every replica within a second.
pub async fn publish(
    operation: &Operation<'_>,
    new: NewVersion<'_>,
    installation: &Installation,
) -> Result<Published, ControlError> {
    operation.require(Right::AcceptableUseWrite)?;
    let reason = crate::text::reason("reason", new.reason)?;
    check_language(new.language)?;
    let settings = in_force(operation, installation).await?;
    let text = complete(new.text, &new.values, &settings.paragraphs())
        .map_err(ControlError::AcceptableUse)?;
    let latest = operation.store.latest_use_version(operation.org).await?;
    let current = latest.as_ref().map_or(0, |latest| latest.version);
    if new.expected.is_some_and(|expected| expected != current) {
        return Err(ControlError::Conflict { current });
    }
    let is_same = |latest: &UseVersion| {
        (&*latest.text, &*latest.language, &*latest.settings)
            == (&*text, new.language, &*settings.canonical())
    };
    if latest.as_ref().is_some_and(is_same) {
        return Ok(Published::Unchanged(current));
    }
    let version = current + 1;
    let kept = latest.as_ref().filter(|_| new.keeps_acceptances);
    let row = UseVersion {
        version,
        language: new.language.to_owned(),
        fingerprint: fingerprint(&text),
        settings: settings.canonical(),
        accept_from: kept.map_or(version, |latest| latest.accept_from),
        author: operation.actor.label().to_owned(),
        reason: reason.clone(),
        created: operation.clock.now(),
        text,
    };
    let mut change = operation.change("acceptable_use", "acceptable_use", ChangeKind::Created);
    change.version = Some(version);
    change.before = latest.map(|latest| latest.fingerprint.into());
    change.after = Some(row.fingerprint.as_str().into());
    change.reason = Some(reason.into());
    operation.record(change).await?;
    match operation
        .store
        .put_use_version(operation.org, current, &row)
        .await?
    {
        PutUse::Added(version) => Ok(Published::Version {
            version,
            long_sentences: long_sentences(&row.text),
        }),
        PutUse::Conflict(current) => {
            let (noun, why) = (
                "acceptable_use",
                format!("version {current} was published in between"),
            );
            operation.record_not_made(noun, noun, &why).await?;
            Err(ControlError::Conflict { current })
        }
    }
}

fn check_language(tag: &str) -> Result<(), Unusable> {
    if is_language(tag) {
        return Ok(());
    }
    let why = "must be the tag of a language, such as `en` or `de-AT`";
    Err(Unusable::new("language", why))
}

/// A version, and whether what it says is still so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The version.
    pub version: UseVersion,
    /// For the latest version: the lines on recording that would go and come if it were published anew. None while it is true.
    pub outdated: Option<String>,
}

/// A version; the latest when none is named.
pub async fn show(
    operation: &Operation<'_>,
    version: Option<u64>,
    installation: &Installation,
) -> Result<Shown, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    let (store, org) = (operation.store, operation.org);
    let latest = store.latest_use_version(org).await?;
    let latest = latest.ok_or(ControlError::NothingPublished)?;
    let outdated = outdated(operation, &latest, installation).await?;
    let Some(number) = version.filter(|number| *number != latest.version) else {
        return Ok(Shown {
            version: latest,
            outdated,
        });
    };
    let version = store.use_version(org, number).await?;
    Ok(Shown {
        version: version.ok_or(ControlError::NoSuch("version"))?,
        outdated: None,
    })
}

/// What changed between two versions, line by line.
pub async fn compare(
    operation: &Operation<'_>,
    from: u64,
    to: u64,
) -> Result<String, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    let mut texts = Vec::new();
    for number in [from, to] {
        let found = operation.store.use_version(operation.org, number).await?;
        texts.push(found.ok_or(ControlError::NoSuch("version"))?.text);
    }
    Ok(unified(&texts[0], &texts[1]))
}

/// The latest versions before `before`, newest first.
pub async fn versions(
    operation: &Operation<'_>,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<UseVersion>, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.use_versions(org, before, limit).await?)
}

async fn outdated(
    operation: &Operation<'_>,
    latest: &UseVersion,
    installation: &Installation,
) -> Result<Option<String>, ControlError> {
    let now = in_force(operation, installation).await?;
    if now.canonical() == latest.settings {
        return Ok(None);
    }
    let before = Settings::read(&latest.settings).map(|settings| settings.paragraphs());
    Ok(Some(unified(
        &before.unwrap_or_default(),
        &now.paragraphs(),
    )))
}

async fn in_force(
    operation: &Operation<'_>,
    installation: &Installation,
) -> Result<Settings, ControlError> {
    Ok(Settings::in_force(&operation.policy().await?, installation))
}

/// Refuses rules that demand what nobody can do yet.
pub(crate) async fn check_demand(
    operation: &Operation<'_>,
    policy: &Policy,
) -> Result<(), ControlError> {
    let rule = policy.document().acceptable_use.as_ref();
    if rule.is_some_and(|rule| rule.required)
        && operation
            .store
            .published_use(operation.org)
            .await?
            .is_none()
    {
        return Err(ControlError::NothingPublished);
    }
    Ok(())
}

/// Every mistake of a text, a line each.
pub fn mistakes(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
