//! Sentences that instruct, told by sequences of their words. Pure; called for definitions and for answers.

use crate::plain::fold;

/// Longest of a text's own words that a finding repeats.
pub(crate) const SAID_MAX_CHARS: usize = 160;

/// A text's words as they sound: small, without marks, with the dots and dashes inside names and paths.
#[derive(Debug)]
pub(crate) struct Words(String);

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        Self(fold(text))
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        let keeps = |letter: char| {
            letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/' | '~')
        };
        let words = self.0.split(|letter: char| !keeps(letter));
        let trimmed = words.map(|word| word.trim_matches(['.', '-']));
        trimmed.filter(|word| !word.is_empty()).collect()
    }
}

/// A sequence of words, read once. `…` stands for up to three words, `|` parts choices.
#[derive(Debug)]
pub(crate) struct Phrase(Vec<Step>);

#[derive(Debug)]
enum Step {
    Gap,
    OneOf(Vec<&'static str>),
}

impl Phrase {
    pub(crate) fn read(phrase: &'static str) -> Self {
        let step = |step: &'static str| match step {
            "…" => Step::Gap,
            choices => Step::OneOf(choices.split('|').collect()),
        };
        Self(phrase.split(' ').map(step).collect())
    }

    /// Of the words, those that are the phrase, where it first stands.
    pub(crate) fn said(&self, words: &[&str]) -> Option<String> {
        let found = |at| Some((at, length(&words[at..], &self.0)?));
        let (at, length) = (0..words.len()).find_map(found)?;
        let said = words[at..at + length].join(" ");
        Some(said.chars().take(SAID_MAX_CHARS).collect())
    }

    /// Every word that it can begin with.
    pub(crate) fn first(&self) -> &[&'static str] {
        match self.0.first() {
            Some(Step::OneOf(choices)) => choices,
            _ => &[],
        }
    }

    /// Whether the words begin with it.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        length(words, &self.0).is_some()
    }
}

/// How many words the steps take, where the words begin with them.
fn length(words: &[&str], steps: &[Step]) -> Option<usize> {
    match steps {
        [] => Some(0),
        [Step::Gap, rest @ ..] => (0..=3.min(words.len()))
            .find_map(|skipped| Some(skipped + length(&words[skipped..], rest)?)),
        [Step::OneOf(choices), rest @ ..] => {
            let (word, after) = words.split_first()?;
            let after = choices.contains(word).then(|| length(after, rest))?;
            Some(1 + after?)
        }
    }
}
