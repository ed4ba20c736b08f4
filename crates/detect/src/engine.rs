//! The compiled pack with its fingerprint key, what a policy selects of it, and the judgement of one candidate. A judgement
//! depends on a bounded window around the candidate alone; that makes streams and whole texts agree.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::digits;
use crate::findings::{Fingerprint, names};
use crate::pack::{Compiled, Detector, Edges, Look, Near, PackError};
use crate::scanner::Scanner;
use crate::validate::{self, Validator};

/// How far from a match words may stand that raise its confidence, in bytes.
pub(crate) const NEAR_BYTES: usize = 300;
/// Bytes before a match that decide whether it stands alone: an escape such as `\u003d`.
const EDGE_BYTES: usize = 8;
/// Confidence that a card number in groups loses when it stands in a row of numbers.
const ROW_POINTS: i16 = -40;
/// How alike two names must be for one to be offered in the other's place; 1 is the same.
const ALIKE: f64 = 0.8;

/// The detectors and the key of their fingerprints. Cheap to clone; shared by all requests.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    pack: Compiled,
    key: hmac::Key,
}

/// What people are told about a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetectorInfo<'e> {
    /// Stable id, `class.name`.
    pub id: &'e str,
    /// What its findings are.
    pub class: &'e str,
    /// For people to read.
    pub title: &'e str,
    /// Percent, of a match that stands alone.
    pub confidence: u8,
    /// Percent, of a match with telling words around it.
    pub confidence_max: u8,
}

/// Which detectors count, each from which confidence on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Least confidence by detector; none when it is not selected.
    pub(crate) least: Arc<[Option<u8>]>,
}

impl Selection {
    /// Whether no detector is selected, so that there is nothing to scan for.
    pub fn is_empty(&self) -> bool {
        self.least.iter().all(Option::is_none)
    }
}

/// One judged match.
#[derive(Debug)]
pub(crate) struct Match<'t> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) confidence: u8,
    pub(crate) value: Value<'t>,
}

/// What is fingerprinted: the same however it was written.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    Text(&'t [u8]),
    Digits(digits::Run),
}

impl Engine {
    /// An engine with the pack that ships with this crate. `fingerprint_key` is secret and stays the same as long as
    /// fingerprints are to be compared; 32 random bytes.
    pub fn new(fingerprint_key: &[u8]) -> Self {
        Self::from_pack(include_str!("../data/detectors.toml"), fingerprint_key)
            .expect("the shipped pack is read by a test")
    }

    /// An engine with another pack, in the TOML form that `data/detectors.toml` explains.
    pub fn from_pack(pack: &str, fingerprint_key: &[u8]) -> Result<Self, PackError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, fingerprint_key);
        Ok(Self(Arc::new(Parts {
            pack: Compiled::read(pack)?,
            key,
        })))
    }

    /// The pack's detectors, in its order.
    pub fn detectors(&self) -> impl Iterator<Item = DetectorInfo<'_>> {
        self.pack().detectors.iter().map(|detector| DetectorInfo {
            id: &detector.id,
            class: &detector.class,
            title: &detector.title,
            confidence: detector.confidence,
            confidence_max: detector
                .near
                .as_ref()
                .map_or(0, |near| near.confidence)
                .max(detector.confidence),
        })
    }

    /// Selects by (pattern, least confidence in percent). A pattern names detector ids or classes, `*` for a run of characters.
    /// Where several name a detector, the lowest confidence counts.
    pub fn select<'p>(&self, rules: impl IntoIterator<Item = (&'p str, u8)>) -> Selection {
        let detectors = &self.pack().detectors;
        let mut least = vec![None::<u8>; detectors.len()];
        for (pattern, confidence) in rules {
            for (slot, detector) in least.iter_mut().zip(detectors) {
                if names(pattern, &detector.id, &detector.class) {
                    *slot = Some(slot.map_or(confidence, |known| known.min(confidence)));
                }
            }
        }
        Selection {
            least: least.into(),
        }
    }

    /// Whether a pattern names any detector. A rule with one that does not looks on but is not.
    pub fn knows(&self, pattern: &str) -> bool {
        self.pack()
            .detectors
            .iter()
            .any(|detector| names(pattern, &detector.id, &detector.class))
    }

    /// The detector, class or class with `.*` that is written most like this pattern, when one is so alike that it may be meant.
    pub fn nearest(&self, pattern: &str) -> Option<String> {
        let detectors = self.pack().detectors.iter();
        detectors
            .flat_map(|detector| {
                let every = format!("{}.*", detector.class);
                [detector.id.to_string(), detector.class.to_string(), every]
            })
            .map(|name| (strsim::jaro_winkler(pattern, &name), name))
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, name)| name)
    }

    /// Begins one inspection.
    pub fn scanner(&self, selection: &Selection) -> Scanner {
        Scanner::new(self.clone(), selection.clone())
    }

    pub(crate) fn pack(&self) -> &Compiled {
        &self.0.pack
    }

    /// Bytes before a hit that its judgement may read.
    pub(crate) const fn bytes_before() -> usize {
        // the literal's offset, at most 64, then the surroundings of the match
        64 + NEAR_BYTES + EDGE_BYTES
    }

    /// Bytes from a hit on that its judgement may read.
    pub(crate) fn bytes_after(&self) -> usize {
        self.pack().match_bytes_max + NEAR_BYTES + EDGE_BYTES
    }

    pub(crate) fn fingerprint(&self, detector: &Detector, value: &Value<'_>) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0.key);
        context.update(detector.id.as_bytes());
        context.update(&[0]);
        match value {
            Value::Text(text) => context.update(text),
            Value::Digits(run) => context.update(run.digits()),
        }
        let tag = context.sign();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&tag.as_ref()[..16]);
        Fingerprint::new(bytes)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine")
            .field("detectors", &self.pack().detectors.len())
            .finish_non_exhaustive()
    }
}

impl Detector {
    /// Judges the hit at `at`: a literal's first byte, or the first digit of a group. Surroundings are read only when
    /// `look_around` says so; they are the dear part.
    pub(crate) fn judge<'t>(
        &self,
        text: &'t [u8],
        at: usize,
        look_around: bool,
    ) -> Option<Match<'t>> {
        let mut found = match &self.look {
            Look::Digits => self.digits_at(text, at)?,
            Look::Literal {
                offset,
                pattern,
                length_max,
            } => {
                let start = at.checked_sub(*offset)?;
                if self.edges != Edges::Open && !edge_before(text, start) {
                    return None;
                }
                let window = &text[start..text.len().min(start + length_max)];
                let captures = pattern.captures(window)?;
                let whole = captures.get(0)?;
                let end = start + whole.end();
                if self.edges == Edges::Both && text.get(end).is_some_and(|&byte| is_word(byte)) {
                    return None;
                }
                let value = captures.get(1).unwrap_or(whole).as_bytes();
                if self.validator == Validator::Jwt && !validate::is_jwt(whole.as_bytes())
                    || validate::entropy(value) < self.entropy_min
                    || is_sample(value)
                {
                    return None;
                }
                Match {
                    start,
                    end,
                    confidence: self.confidence,
                    value: Value::Text(value),
                }
            }
        };
        if let Some(near) = self.near.as_ref().filter(|_| look_around)
            && near.speaks_for(text, found.start, found.end)
        {
            let loss = self.confidence.saturating_sub(found.confidence);
            found.confidence = found.confidence.max(near.confidence.saturating_sub(loss));
        }
        Some(found)
    }

    fn digits_at<'t>(&self, text: &'t [u8], start: usize) -> Option<Match<'t>> {
        let run = digits::read(text, start, |digits| validate::card(digits).is_some())?;
        let row = if digits::in_row(text, start, run.end) {
            ROW_POINTS
        } else {
            0
        };
        let points = validate::card(run.digits())? + row;
        let confidence = i16::from(self.confidence)
            .saturating_add(points)
            .clamp(0, 100);
        Some(Match {
            start,
            end: run.end,
            confidence: u8::try_from(confidence).unwrap_or(0),
            value: Value::Digits(run),
        })
    }
}

impl Near {
    fn speaks_for(&self, text: &[u8], start: usize, end: usize) -> bool {
        let before = &text[start.saturating_sub(NEAR_BYTES)..start];
        let after = &text[end..text.len().min(end + NEAR_BYTES)];
        let body = &text[start..text.len().min(end + NEAR_BYTES)];
        self.words.is_match(before)
            || self.words.is_match(after)
            || self
                .pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(before) || pattern.is_match(body))
    }
}

/// Documentation writes such values; no generator does.
fn is_sample(value: &[u8]) -> bool {
    value.ends_with(b"EXAMPLE") || value.ends_with(b"EXAMPLEKEY")
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether a word may begin at `at`: what stands before it is no part of a word, or is an escape (`\n`, `\u003d`, `%3D`) of
/// something that is none.
pub(crate) fn edge_before(text: &[u8], at: usize) -> bool {
    let before = &text[at.saturating_sub(EDGE_BYTES)..at];
    match before {
        [] | [b'-'] => true,
        [.., last] if !is_word(*last) => true,
        // A bullet, but not the dash inside a word: tokens hold dashes, and each would be a place to begin anew.
        [.., one, b'-'] => !is_word(*one),
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'%', b'0'..=b'9', last] => last.is_ascii_hexdigit(),
        [.., b'\\', b'u', b'0', b'0', high, low] => {
            high.is_ascii_hexdigit() && low.is_ascii_hexdigit()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_pack_is_usable() {
        let engine = Engine::new(b"key");
        let ids: Vec<_> = engine.detectors().map(|detector| detector.id).collect();
        assert!(ids.len() > 30);
        for detector in engine.detectors() {
            assert!(
                detector.id.starts_with(&format!("{}.", detector.class)),
                "{}",
                detector.id
            );
            assert!(
                detector.confidence_max >= detector.confidence,
                "{}",
                detector.id
            );
        }
    }

    #[test]
    fn the_lowest_confidence_of_several_rules_counts() {
        let engine = Engine::new(b"key");
        let selection = engine.select([("secret.*", 90), ("secret.jwt", 50)]);
        let of = |id: &str| {
            let index = engine
                .detectors()
                .position(|detector| detector.id == id)
                .unwrap();
            selection.least[index]
        };
        assert_eq!(of("secret.jwt"), Some(50));
        assert_eq!(of("secret.github_token"), Some(90));
        assert_eq!(of("payment_card.number"), None);
        assert!(engine.select([]).is_empty());
    }

    #[test]
    fn a_misspelt_pattern_is_not_known_and_the_name_it_is_most_like_is_offered() {
        let engine = Engine::new(b"key");
        let check = |pattern: &str, nearest: Option<&str>| {
            assert!(!engine.knows(pattern), "{pattern}");
            assert_eq!(engine.nearest(pattern).as_deref(), nearest, "{pattern}");
        };
        check("secrets.*", Some("secret.*"));
        check("Secret.*", Some("secret.*"));
        check("secret.jwtt", Some("secret.jwt"));
        check("payment_cards", Some("payment_card"));
        check("secret.github-token", Some("secret.github_token"));
        check("", None);
        check("zzz", None);
        for pattern in ["*", "secret", "secret.*", "secret.jwt", "*card*"] {
            assert!(engine.knows(pattern), "{pattern}");
        }
    }

    #[test]
    fn escapes_before_a_match_are_edges() {
        for (before, edge) in [
            ("", true),
            (" ", true),
            ("\"", true),
            ("=", true),
            ("\\n", true),
            ("\\\\n", true),
            ("%3D", true),
            ("%20", true),
            ("\\u003d", true),
            ("- ", true),
            ("-", true),
            (" -", true),
            ("n", false),
            ("x9", false),
            ("_", false),
            ("u003d", false),
            ("5-", false),
            ("key-", false),
            ("--", false),
            ("%zz", false),
        ] {
            assert_eq!(
                edge_before(before.as_bytes(), before.len()),
                edge,
                "{before}"
            );
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        assert!(!format!("{:?}", Engine::new(b"hunter2")).contains("hunter2"));
    }
}
