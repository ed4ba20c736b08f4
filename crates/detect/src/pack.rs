//! Turns detectors-as-data into something that can look. Refuses a pack whose detectors could not be scanned the same in any
//! chunking: every match is bounded, begins at a known distance from a literal and does not look around itself.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use domain::limits::DETECTOR_MATCH_BYTES_MAX;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use serde::Deserialize;

use crate::digits::{DIGITS_MIN, RUN_BYTES_MAX};
use crate::validate::Validator;

/// Most bytes of a match before its literal.
const OFFSET_MAX: usize = 64;

/// Why a pack is not usable. Names detectors and fields, all of them the pack's author's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Not TOML of the right shape.
    #[error("the pack is not readable")]
    Toml(#[from] toml::de::Error),
    /// A pattern is not a regular expression.
    #[error("detector {detector}: a pattern is not a regular expression")]
    Pattern {
        /// Whose.
        detector: String,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
    /// A detector contradicts itself or the bounds of the engine.
    #[error("detector {detector}: {what}")]
    Detector {
        /// Whose.
        detector: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The literals could not be compiled.
    #[error("the literals of the pack cannot be compiled")]
    Literals(#[from] aho_corasick::BuildError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pack {
    detector: Vec<Entry>,
}

/// One detector as it stands in the file; the file's head explains the fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    class: String,
    title: String,
    #[serde(default)]
    starts: Vec<String>,
    #[serde(default)]
    offset: usize,
    walk: Option<Walk>,
    pattern: Option<String>,
    #[serde(default)]
    validator: Validator,
    #[serde(default)]
    edges: Edges,
    #[serde(default)]
    entropy_min: f64,
    confidence: u8,
    #[serde(default)]
    near: Vec<String>,
    near_pattern: Option<String>,
    near_confidence: Option<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Walk {
    Digits,
}

/// Where no letter, digit, `_` or `-` may touch a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edges {
    #[default]
    Open,
    Left,
    Both,
}

/// How a detector finds its candidates.
#[derive(Debug)]
pub(crate) enum Look {
    /// At a literal, `offset` bytes into the match; the pattern is anchored.
    Literal {
        offset: usize,
        pattern: Regex,
        length_max: usize,
    },
    /// Along runs of digits.
    Digits,
}

/// A detector that can look.
#[derive(Debug)]
pub(crate) struct Detector {
    pub(crate) id: Arc<str>,
    pub(crate) class: Arc<str>,
    pub(crate) title: Box<str>,
    pub(crate) look: Look,
    pub(crate) validator: Validator,
    pub(crate) edges: Edges,
    pub(crate) entropy_min: f64,
    pub(crate) confidence: u8,
    pub(crate) near: Option<Near>,
}

/// What in the surroundings raises confidence.
#[derive(Debug)]
pub(crate) struct Near {
    pub(crate) words: AhoCorasick,
    pub(crate) pattern: Option<Regex>,
    pub(crate) confidence: u8,
}

/// A whole pack, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) detectors: Vec<Detector>,
    /// Every literal of the pack.
    pub(crate) literals: AhoCorasick,
    /// For each literal the detectors that it begins.
    pub(crate) by_literal: Vec<Vec<usize>>,
    /// The longest literal.
    pub(crate) literal_bytes_max: usize,
    /// The shortest text in which anything can be found.
    pub(crate) text_bytes_min: usize,
    /// The longest match.
    pub(crate) match_bytes_max: usize,
    /// The detector that walks along digits.
    pub(crate) digits: Option<usize>,
}

impl Compiled {
    pub(crate) fn read(text: &str) -> Result<Self, PackError> {
        let pack: Pack = toml::from_str(text)?;
        let mut literals: Vec<(String, usize)> = Vec::new();
        let mut detectors = Vec::new();
        let (mut shortest, mut longest) = (usize::MAX, 0);
        for (index, entry) in pack.detector.into_iter().enumerate() {
            literals.extend(entry.starts.iter().map(|literal| (literal.clone(), index)));
            let (detector, (least, most)) = entry.compile()?;
            if detectors
                .iter()
                .any(|known: &Detector| known.id == detector.id)
            {
                return Err(fault(&detector.id, "stands twice"));
            }
            shortest = shortest.min(least);
            longest = longest.max(most);
            detectors.push(detector);
        }
        let digits = detectors
            .iter()
            .position(|d| matches!(d.look, Look::Digits));
        if let Some(second) = detectors
            .iter()
            .filter(|d| matches!(d.look, Look::Digits))
            .nth(1)
        {
            return Err(fault(&second.id, "is a second one that walks along digits"));
        }
        let (literals, by_literal, literal_bytes_max) = index_literals(&literals)?;
        Ok(Self {
            detectors,
            literals,
            by_literal,
            literal_bytes_max,
            text_bytes_min: shortest,
            match_bytes_max: longest,
            digits,
        })
    }
}

/// One automaton over all literals. Of several that begin at one place it reports the longest, so that one stands for the
/// detectors of the shorter ones too.
fn index_literals(
    literals: &[(String, usize)],
) -> Result<(AhoCorasick, Vec<Vec<usize>>, usize), PackError> {
    let mut texts: Vec<&str> = literals.iter().map(|(text, _)| text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let by_literal = texts
        .iter()
        .map(|whole| {
            let begun = literals
                .iter()
                .filter(|(text, _)| whole.starts_with(text.as_str()));
            let mut detectors: Vec<usize> = begun.map(|&(_, index)| index).collect();
            detectors.dedup();
            detectors
        })
        .collect();
    let automaton = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .match_kind(MatchKind::LeftmostLongest)
        .build(&texts)?;
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    Ok((automaton, by_literal, longest))
}

fn fault(detector: &str, what: &'static str) -> PackError {
    PackError::Detector {
        detector: detector.to_owned(),
        what,
    }
}

impl Entry {
    /// The detector, and the least and most bytes of its matches.
    fn compile(self) -> Result<(Detector, (usize, usize)), PackError> {
        let say = |what| fault(&self.id, what);
        if self.confidence > 100 || self.near_confidence.is_some_and(|points| points > 100) {
            return Err(say("a confidence is a percentage, at most 100"));
        }
        let (look, lengths) = match (&self.pattern, &self.walk) {
            (None, Some(Walk::Digits)) if self.starts.is_empty() => {
                (Look::Digits, (DIGITS_MIN, RUN_BYTES_MAX))
            }
            (Some(pattern), None) => self.literal_look(pattern)?,
            _ => return Err(say("needs either `starts` and `pattern`, or `walk`")),
        };
        let near = self.near()?;
        let detector = Detector {
            id: self.id.into(),
            class: self.class.into(),
            title: self.title.into(),
            look,
            validator: self.validator,
            edges: self.edges,
            entropy_min: self.entropy_min,
            confidence: self.confidence,
            near,
        };
        Ok((detector, lengths))
    }

    fn literal_look(&self, pattern: &str) -> Result<(Look, (usize, usize)), PackError> {
        let say = |what| fault(&self.id, what);
        if self.starts.is_empty() || self.starts.iter().any(|literal| literal.len() < 2) {
            return Err(say("needs literals of two bytes or more in `starts`"));
        }
        if self.offset > OFFSET_MAX {
            return Err(say("has its literal too far inside the match"));
        }
        let compiled = regex(&self.id, &format!(r"\A(?:{pattern})"))?;
        let shape = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(pattern)
            .map_err(|_| say("has a pattern that is not of bytes"))?;
        let (Some(least), Some(most)) = (
            shape.properties().minimum_len(),
            shape.properties().maximum_len(),
        ) else {
            return Err(say("has a pattern without an upper bound"));
        };
        if most > DETECTOR_MATCH_BYTES_MAX {
            return Err(say("has a pattern that may match too much"));
        }
        if least == 0 || !shape.properties().look_set().is_empty() {
            return Err(say(
                "has a pattern that may match nothing, or looks around itself",
            ));
        }
        Ok((
            Look::Literal {
                offset: self.offset,
                pattern: compiled,
                length_max: most,
            },
            (least, most),
        ))
    }

    fn near(&self) -> Result<Option<Near>, PackError> {
        let Some(confidence) = self.near_confidence else {
            return Ok(None);
        };
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&self.near)?;
        let pattern = self
            .near_pattern
            .as_deref()
            .map(|p| regex(&self.id, p))
            .transpose()?;
        Ok(Some(Near {
            words,
            pattern,
            confidence,
        }))
    }
}

fn regex(detector: &str, pattern: &str) -> Result<Regex, PackError> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .map_err(|source| PackError::Pattern {
            detector: detector.to_owned(),
            source: Box::new(source),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &str, expected: &str) {
        let text = format!(
            "[[detector]]\nid = \"t.x\"\nclass = \"t\"\ntitle = \"T\"\nconfidence = 50\n{fields}"
        );
        let told = match Compiled::read(&text) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(expected), "{fields}: {told}");
    }

    #[test]
    fn a_pack_that_cannot_be_scanned_in_chunks_is_refused() {
        for (fields, expected) in [
            ("starts = ['ab']\npattern = 'ab[0-9]{4}'", "fine"),
            (
                "starts = ['ab']\npattern = 'ab[0-9]+'",
                "without an upper bound",
            ),
            (
                "starts = ['ab']\npattern = 'ab[0-9]{4000}'",
                "match too much",
            ),
            ("starts = ['ab']\npattern = 'ab[0-9]{4}\\b'", "looks around"),
            ("starts = ['ab']\npattern = '(?:ab)?'", "match nothing"),
            ("starts = ['a']\npattern = 'ab'", "two bytes"),
            ("starts = []\npattern = 'ab'", "two bytes"),
            (
                "starts = ['ab']\npattern = 'ab('",
                "not a regular expression",
            ),
            ("starts = ['ab']\noffset = 65\npattern = 'ab'", "too far"),
            ("starts = ['ab']", "needs either"),
            ("walk = 'digits'\npattern = 'ab'", "needs either"),
            ("walk = 'words'", "not readable"),
            ("walk = 'digits'\nconfidance = 3", "not readable"),
            ("walk = 'digits'\nnear_confidence = 101", "percentage"),
        ] {
            check(fields, expected);
        }
    }

    #[test]
    fn an_id_and_the_digit_walk_stand_once() {
        let one = |id: &str| {
            format!(
                "[[detector]]\nid = '{id}'\nclass = 't'\ntitle = 'T'\nconfidence = 50\nwalk = 'digits'\n"
            )
        };
        for (text, expected) in [
            (one("a") + &one("a"), "stands twice"),
            (one("a") + &one("b"), "second one"),
        ] {
            assert!(
                Compiled::read(&text)
                    .unwrap_err()
                    .to_string()
                    .contains(expected)
            );
        }
    }

    #[test]
    fn a_literal_stands_for_the_detectors_of_its_beginnings() {
        let entry = |id: &str, literal: &str| {
            format!(
                "[[detector]]\nid = '{id}'\nclass = 't'\ntitle = 'T'\nconfidence = 50\nstarts = ['{literal}']\npattern = '{literal}'\n"
            )
        };
        let pack = Compiled::read(&(entry("a", "sk-") + &entry("b", "sk-ant"))).unwrap();
        assert_eq!(pack.by_literal, [vec![0], vec![0, 1]]);
    }
}
