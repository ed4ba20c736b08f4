//! Writing the acceptable-use policy: one draft of the organisation that several may edit, each from what they read, and what it would
//! be if it were published. A draft is in force for nobody and may be unfinished; [`super::publish`] takes only what is complete.
//! Called through [`super`].

use std::fmt;
use std::str::FromStr;

use domain::acceptable_use::text::{Rendered, long_sentences, render};
use domain::acceptable_use::{Installation, Mistake, Variables};
use domain::{Timestamp, limits};
use ledger::record::ChangeKind;
use store::UseDraft;

use super::{NewVersion, Published, check_language, in_force, publish, template};
use crate::access::Right;
use crate::diff::unified;
use crate::text::Unusable;
use crate::{ControlError, Operation, fingerprint};

/// What whoever changes something must have read: the draft's revision, and the version in force beside it. Its text is the `ETag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tag {
    /// How often the draft was saved; 0 before the first time.
    pub revision: u64,
    /// The version in force; 0 before the first.
    pub version: u64,
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.revision, self.version)
    }
}

impl FromStr for Tag {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let parse = || {
            let (revision, version) = text.split_once('-')?;
            Some(Self {
                revision: revision.parse().ok()?,
                version: version.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Unusable::new("If-Match", "must be the ETag of the draft"))
    }
}

/// The draft, or before the first the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What a change must name.
    pub tag: Tag,
    /// The text with its variables.
    pub text: String,
    /// Values of its variables.
    pub values: Variables,
    /// The tag of its language.
    pub language: String,
    /// Who saved it and when; none before the first time.
    pub saved: Option<(String, Timestamp)>,
}

/// The draft as it stands; before the first the template, for an organisation of this name.
pub async fn read(operation: &Operation<'_>, org_name: &str) -> Result<Draft, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    let published = operation.store.published_use(operation.org).await?;
    let version = published.map_or(0, |published| published.version);
    let kept = operation.store.use_draft(operation.org).await?;
    let Some(kept) = kept else {
        let values = Variables::from([("organisation".to_owned(), org_name.to_owned())]);
        return Ok(Draft {
            tag: Tag {
                revision: 0,
                version,
            },
            text: template(&Variables::new()),
            values,
            language: "en".to_owned(),
            saved: None,
        });
    };
    Ok(Draft {
        tag: Tag {
            revision: kept.revision,
            version,
        },
        text: kept.text,
        values: serde_json::from_str(&kept.variables).unwrap_or_default(),
        language: kept.language,
        saved: Some((kept.author, kept.saved)),
    })
}

/// A draft to save.
#[derive(Debug, Clone)]
pub struct NewDraft {
    /// The text with its variables.
    pub text: String,
    /// Values of its variables.
    pub values: Variables,
    /// The tag of its language.
    pub language: String,
}

/// Saves the draft, if what its author read still stands. It may be unfinished, but holds nothing that no text may hold.
pub async fn save(
    operation: &Operation<'_>,
    expected: Tag,
    new: NewDraft,
) -> Result<Draft, ControlError> {
    operation.require(Right::AcceptableUseWrite)?;
    check_language(&new.language)?;
    check_names(&new.values)?;
    let rendered = render(&new.text, &new.values, "");
    let is_hostile = |mistake: &Mistake| matches!(mistake, Mistake::Text | Mistake::Value(_));
    let hostile: Vec<Mistake> = rendered.mistakes.into_iter().filter(is_hostile).collect();
    if !hostile.is_empty() {
        return Err(ControlError::AcceptableUse(hostile));
    }
    let before = read(operation, "").await?;
    if before.tag != expected {
        return Err(ControlError::DraftChanged);
    }
    let revision = expected.revision + 1;
    let row = UseDraft {
        revision,
        language: new.language.clone(),
        text: new.text.clone(),
        variables: serde_json::to_string(&new.values).unwrap_or_default(),
        author: operation.actor.label().to_owned(),
        saved: operation.clock.now(),
    };
    let done = match before.saved {
        None => ChangeKind::Created,
        Some(_) => ChangeKind::Updated,
    };
    let mut change = operation.change("acceptable_use_draft", "acceptable_use", done);
    change.version = Some(revision);
    change.before = before
        .saved
        .map(|_| fingerprint(&before.text).as_str().into());
    change.after = Some(fingerprint(&new.text).as_str().into());
    operation.record(change).await?;
    if !operation.store.put_use_draft(operation.org, &row).await? {
        let (noun, why) = (
            "acceptable_use_draft",
            "it was saved or published in between",
        );
        operation
            .record_not_made(noun, "acceptable_use", why)
            .await?;
        return Err(ControlError::DraftChanged);
    }
    Ok(Draft {
        tag: Tag {
            revision,
            ..expected
        },
        text: new.text,
        values: new.values,
        language: new.language,
        saved: Some((row.author, row.saved)),
    })
}

/// Variables have short plain names, and a text has few of them.
fn check_names(values: &Variables) -> Result<(), Unusable> {
    let is_plain = |name: &String| {
        (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    if values.len() <= limits::ACCEPTABLE_USE_VALUES_MAX && values.keys().all(is_plain) {
        return Ok(());
    }
    let why = format!(
        "must be at most {}, each named by 1 to 40 of a to z and _",
        limits::ACCEPTABLE_USE_VALUES_MAX
    );
    Err(Unusable::new("values", why))
}

/// What a text would be if it were published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The text, filled as far as it can be, with the paragraph on what is recorded in its place.
    pub text: String,
    /// That paragraph, from the settings in force.
    pub monitoring: String,
    /// What keeps it from being published; none when nothing does.
    pub mistakes: Vec<Mistake>,
    /// Sentences that are hard to read, cut short.
    pub long_sentences: Vec<String>,
    /// Lines that would go (`-`) and come (`+`) against the version in force; all come before the first.
    pub diff: String,
}

/// Shows what a text would be, and changes nothing.
pub async fn preview(
    operation: &Operation<'_>,
    (text, values): (&str, &Variables),
    installation: &Installation,
) -> Result<Preview, ControlError> {
    operation.require(Right::AcceptableUseRead)?;
    check_names(values)?;
    let monitoring = in_force(operation, installation).await?.paragraphs();
    let Rendered { text, mistakes } = render(text, values, &monitoring);
    let latest = operation.store.latest_use_version(operation.org).await?;
    let before = latest.map(|latest| latest.text).unwrap_or_default();
    Ok(Preview {
        long_sentences: long_sentences(&text),
        diff: unified(&before, &text),
        text,
        monitoring,
        mistakes,
    })
}

/// What goes with publishing the draft.
#[derive(Debug, Clone, Copy)]
pub struct Publishing<'p> {
    /// The draft and the version in force that were read.
    pub expected: Tag,
    /// Why.
    pub reason: &'p str,
    /// Whether acceptances of the version before count for this one.
    pub keeps_acceptances: bool,
}

/// Publishes the draft, if it and the version in force are what was read.
pub async fn publish_draft(
    operation: &Operation<'_>,
    publishing: Publishing<'_>,
    installation: &Installation,
) -> Result<Published, ControlError> {
    operation.require(Right::AcceptableUseWrite)?;
    let draft = read(operation, "").await?;
    if draft.tag != publishing.expected {
        return Err(ControlError::DraftChanged);
    }
    if draft.saved.is_none() {
        return Err(ControlError::NoDraft);
    }
    let new = NewVersion {
        text: &draft.text,
        values: draft.values,
        language: &draft.language,
        reason: publishing.reason,
        expected: Some(publishing.expected.version),
        keeps_acceptances: publishing.keeps_acceptances,
    };
    publish(operation, new, installation).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_the_draft_and_the_version_beside_it() {
        let tag = Tag {
            revision: 3,
            version: 2,
        };
        assert_eq!(tag.to_string().parse(), Ok(tag));
        for text in ["", "3", "3-", "-2", "3-2-1", "a-b", "+3-2x"] {
            assert!(text.parse::<Tag>().is_err(), "{text}");
        }
    }

    #[test]
    fn variables_have_plain_names_and_are_few() {
        let named = |name: &str| check_names(&Variables::from([(name.to_owned(), "x".to_owned())]));
        assert_eq!(named("contact"), Ok(()));
        for name in ["", "A", "a b", "\u{1b}[2J", "{{", &"x".repeat(41)] {
            let refused = named(name).unwrap_err().to_string();
            assert!(!refused.contains('\u{1b}'), "{refused}");
        }
        let many = (0..=limits::ACCEPTABLE_USE_VALUES_MAX)
            .map(|place| ("x".repeat(place + 1), String::new()))
            .collect();
        assert!(check_names(&many).is_err());
    }
}
