//! Reads claims one by one, each of exactly the type it must have, and checks times and audience. A wrong type is a refusal,
//! never an absent claim. Pure: the time is passed in.

use std::collections::BTreeSet;

use domain::{ReasonCode, Refusal, Timestamp, limits};
use serde_json::{Map, Value};

/// When a token was made and until when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// `iat`.
    pub(super) issued: Timestamp,
    /// `exp` with the clock skew that is forgiven: from here on the token is refused.
    pub(super) expires: Timestamp,
}

/// The claims of a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Claims<'a> {
    /// A claim that, if it is there, must be a string.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "must be a string")),
        }
    }

    /// A claim that must be there and be a string of reasonable length.
    pub(super) fn required(self, name: &str) -> Result<&'a str, Refusal> {
        match self.text(name)? {
            None => Err(wrong(name, "is missing")),
            Some(text) if text.is_empty() || text.len() > limits::CLAIM_CHARS_MAX => {
                Err(wrong(name, "is empty or too long"))
            }
            Some(text) if text.chars().any(char::is_control) => {
                Err(wrong(name, "holds control characters"))
            }
            Some(text) => Ok(text),
        }
    }

    /// A claim by name, or by JSON pointer when the name begins with `/` and is no claim itself.
    pub(super) fn at(self, name: &str) -> Option<&'a Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut steps = name.strip_prefix('/')?.split('/');
        let first = self.0.get(&unescape(steps.next()?))?;
        steps.try_fold(first, |value, step| value.as_object()?.get(&unescape(step)))
    }

    /// A claim for people to read: cut to a reasonable length, and as others may see it; none when it is not a string or holds control
    /// characters.
    pub(super) fn readable(self, name: &str) -> Option<String> {
        let text = self.0.get(name)?.as_str()?.trim();
        let cut = text
            .char_indices()
            .nth(limits::CLAIM_CHARS_MAX)
            .map_or(text, |(end, _)| &text[..end]);
        let is_text = !cut.is_empty() && !cut.chars().any(char::is_control);
        is_text.then(|| domain::text::shown(cut).into_owned())
    }

    /// A list of strings; a single string counts as a list of one, an absent claim as an empty list.
    pub(super) fn list(self, name: &str) -> Result<BTreeSet<String>, Refusal> {
        let items = match self.at(name) {
            None => return Ok(BTreeSet::new()),
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if items.len() > limits::GROUPS_MAX {
            return Err(wrong(
                name,
                &format!("has more than {} entries", limits::GROUPS_MAX),
            ));
        }
        let read = |item: &Value| match item.as_str() {
            Some(text) if !text.is_empty() && text.len() <= limits::CLAIM_CHARS_MAX => {
                Ok(text.to_owned())
            }
            _ => Err(wrong(name, "must be a list of strings")),
        };
        items.iter().map(read).collect()
    }

    /// A moment in whole seconds since 1970.
    pub(super) fn seconds(self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            // The upper bound keeps the arithmetic far from its ends; it is the year 9999.
            Some(value) => match value.as_i64() {
                Some(seconds) if (0..=253_402_300_799).contains(&seconds) => Ok(Some(seconds)),
                _ => Err(wrong(name, "must be a whole number of seconds since 1970")),
            },
        }
    }

    /// Checks `exp`, `nbf` and `iat` against the present and the longest lifetime allowed.
    pub(super) fn times(self, now: Timestamp, lifetime_max_s: i64) -> Result<Times, Refusal> {
        let expires_s = self
            .seconds("exp")?
            .ok_or_else(|| wrong("exp", "is missing"))?;
        let issued_s = self
            .seconds("iat")?
            .ok_or_else(|| wrong("iat", "is missing"))?;
        let not_before_s = self.seconds("nbf")?.unwrap_or(issued_s);
        let expires = Timestamp::from_unix_s(expires_s).plus_ms(limits::CLOCK_SKEW_MS);
        if now >= expires {
            return Err(Refusal::plain(ReasonCode::TokenExpired));
        }
        let latest = now.plus_ms(limits::CLOCK_SKEW_MS);
        if Timestamp::from_unix_s(issued_s) > latest
            || Timestamp::from_unix_s(not_before_s) > latest
        {
            return Err(Refusal::plain(ReasonCode::TokenNotYetValid));
        }
        if expires_s <= issued_s {
            return Err(wrong("exp", "lies before `iat`"));
        }
        if expires_s - issued_s > lifetime_max_s {
            let text = format!(
                "The token lives {} s; this gateway accepts at most {lifetime_max_s} s from this issuer.",
                expires_s - issued_s
            );
            return Err(Refusal::new(ReasonCode::TokenLifetime, text));
        }
        Ok(Times {
            issued: Timestamp::from_unix_s(issued_s),
            expires,
        })
    }

    /// Checks that the token was made for one of `ours`. A token for several audiences, one of them foreign, could be replayed
    /// here by the foreign one, so it must have been made for one of `ours` or `parties` to hold (`azp`).
    pub(super) fn audience(
        self,
        ours: &BTreeSet<String>,
        parties: &BTreeSet<String>,
    ) -> Result<(), Refusal> {
        let stated: Vec<&str> = match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many
                .iter()
                .map(|item| {
                    item.as_str()
                        .ok_or_else(|| wrong("aud", "must be a string or a list of strings"))
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(wrong("aud", "must be a string or a list of strings")),
            None => return Err(wrong("aud", "is missing")),
        };
        if !stated.iter().any(|audience| ours.contains(*audience)) {
            return Err(foreign_audience(&stated, ours));
        }
        let party = match self.text("azp")? {
            Some(party) => Some(party),
            None => self.text("appid")?,
        };
        let known = party.map(|party| ours.contains(party) || parties.contains(party));
        let all_ours = stated.iter().all(|audience| ours.contains(*audience));
        if known == Some(true) || (all_ours && (parties.is_empty() || known.is_none())) {
            return Ok(());
        }
        let text = match party {
            Some(party) => format!("The token was given to the application {}, which may not use it here.", shown(party)),
            None => "The token is also meant for other applications and does not say who may hold it (`azp`).".to_owned(),
        };
        Err(Refusal::new(ReasonCode::TokenAudience, text))
    }
}

fn foreign_audience(stated: &[&str], ours: &BTreeSet<String>) -> Refusal {
    let names = |list: &mut dyn Iterator<Item = &str>| {
        list.take(4).map(shown).collect::<Vec<_>>().join(" or ")
    };
    let expected = names(&mut ours.iter().map(String::as_str));
    let text = if stated.is_empty() {
        format!("The token names no audience; expected {expected}.")
    } else {
        format!(
            "The token's audience {} is not accepted; expected {expected}.",
            names(&mut stated.iter().copied())
        )
    };
    Refusal::new(ReasonCode::TokenAudience, text)
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// A refusal that names a claim and what is wrong with it.
pub(super) fn wrong(name: &str, what: &str) -> Refusal {
    Refusal::new(
        ReasonCode::TokenClaims,
        format!("The token's claim `{name}` {what}."),
    )
}

/// A name from a token as a message may show it: printable, bounded.
pub(super) fn shown(text: &str) -> String {
    const MAX: usize = 120;
    let mut safe: String = text
        .chars()
        .take(MAX)
        .map(|c| {
            if c.is_ascii_graphic() && !"<>\"'`&".contains(c) {
                c
            } else {
                '?'
            }
        })
        .collect();
    if text.chars().nth(MAX).is_some() {
        safe.push_str("...");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW_S: i64 = 1_800_000_000;

    fn of(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    fn check_times(claims: &Value, expected: Result<(), ReasonCode>) {
        let times = Claims(of(claims)).times(Timestamp::from_unix_s(NOW_S), 3_600);
        assert_eq!(
            times.map(|_| ()).map_err(|refusal| refusal.code()),
            expected,
            "{claims}"
        );
    }

    #[test]
    fn times_must_be_whole_seconds_and_hold_now() {
        use ReasonCode::{TokenClaims, TokenExpired, TokenLifetime, TokenNotYetValid};
        let cases = [
            (json!({"iat": NOW_S, "exp": NOW_S + 60}), Ok(())),
            (
                json!({"iat": NOW_S, "exp": NOW_S + 60, "nbf": NOW_S}),
                Ok(()),
            ),
            (json!({"iat": NOW_S - 3_600, "exp": NOW_S - 59}), Ok(())),
            (
                json!({"iat": NOW_S - 3_600, "exp": NOW_S - 60}),
                Err(TokenExpired),
            ),
            (json!({"iat": NOW_S + 60, "exp": NOW_S + 120}), Ok(())),
            (
                json!({"iat": NOW_S + 61, "exp": NOW_S + 120}),
                Err(TokenNotYetValid),
            ),
            (
                json!({"iat": NOW_S, "exp": NOW_S + 120, "nbf": NOW_S + 61}),
                Err(TokenNotYetValid),
            ),
            (json!({"iat": NOW_S, "exp": NOW_S + 3_600}), Ok(())),
            (
                json!({"iat": NOW_S, "exp": NOW_S + 3_601}),
                Err(TokenLifetime),
            ),
            (
                json!({"iat": NOW_S + 50, "exp": NOW_S + 50}),
                Err(TokenClaims),
            ),
            (json!({"iat": NOW_S}), Err(TokenClaims)),
            (json!({"exp": NOW_S + 60}), Err(TokenClaims)),
            (
                json!({"iat": NOW_S, "exp": (NOW_S + 60).to_string()}),
                Err(TokenClaims),
            ),
            (
                json!({"iat": NOW_S, "exp": 1_800_000_060.5}),
                Err(TokenClaims),
            ),
            (json!({"iat": NOW_S, "exp": null}), Err(TokenClaims)),
            (json!({"iat": NOW_S, "exp": -1}), Err(TokenClaims)),
            (json!({"iat": NOW_S, "exp": i64::MAX}), Err(TokenClaims)),
            (json!({"iat": NOW_S, "exp": u64::MAX}), Err(TokenClaims)),
            (json!({"iat": [NOW_S], "exp": NOW_S + 60}), Err(TokenClaims)),
            (
                json!({"iat": NOW_S, "exp": NOW_S + 60, "nbf": "now"}),
                Err(TokenClaims),
            ),
        ];
        for (claims, expected) in cases {
            check_times(&claims, expected);
        }
    }

    fn check_audience(claims: &Value, parties: &[&str], expected: Result<(), ReasonCode>) {
        let ours = BTreeSet::from(["ours".to_owned(), "ours-too".to_owned()]);
        let parties = parties.iter().map(|&party| party.to_owned()).collect();
        let outcome = Claims(of(claims)).audience(&ours, &parties);
        assert_eq!(
            outcome.map_err(|refusal| refusal.code()),
            expected,
            "{claims}"
        );
    }

    #[test]
    fn the_audience_must_be_ours_and_nobody_else_may_replay_it() {
        use ReasonCode::{TokenAudience, TokenClaims};
        check_audience(&json!({"aud": "ours"}), &[], Ok(()));
        check_audience(&json!({"aud": ["ours"]}), &[], Ok(()));
        check_audience(&json!({"aud": ["ours", "ours-too"]}), &[], Ok(()));
        check_audience(
            &json!({"aud": ["ours", "theirs"], "azp": "ours"}),
            &[],
            Ok(()),
        );
        check_audience(
            &json!({"aud": ["ours", "theirs"], "azp": "desktop"}),
            &["desktop"],
            Ok(()),
        );
        check_audience(&json!({"aud": ["ours", "theirs"]}), &[], Err(TokenAudience));
        check_audience(
            &json!({"aud": ["ours", "theirs"], "azp": "theirs"}),
            &[],
            Err(TokenAudience),
        );
        check_audience(&json!({"aud": "ours", "azp": "desktop"}), &[], Ok(()));
        check_audience(
            &json!({"aud": "ours", "azp": "other"}),
            &["desktop"],
            Err(TokenAudience),
        );
        check_audience(
            &json!({"aud": "ours", "appid": "other"}),
            &["desktop"],
            Err(TokenAudience),
        );
        check_audience(&json!({"aud": "theirs"}), &[], Err(TokenAudience));
        check_audience(&json!({"aud": "OURS"}), &[], Err(TokenAudience));
        check_audience(&json!({"aud": "ours "}), &[], Err(TokenAudience));
        check_audience(&json!({"aud": []}), &[], Err(TokenAudience));
        check_audience(
            &json!({"aud": ["ours", 7], "azp": "ours"}),
            &[],
            Err(TokenClaims),
        );
        check_audience(&json!({"aud": null}), &[], Err(TokenClaims));
        check_audience(&json!({"aud": {"ours": 1}}), &[], Err(TokenClaims));
        check_audience(&json!({}), &[], Err(TokenClaims));
    }

    #[test]
    fn an_audience_refusal_names_what_was_expected_and_shows_nothing_raw() {
        let claims = json!({"aud": "<script>\u{202e}evil\n"});
        let ours = BTreeSet::from(["6f1c".to_owned()]);
        let refusal = Claims(of(&claims))
            .audience(&ours, &BTreeSet::new())
            .unwrap_err();
        assert_eq!(
            refusal.first().message,
            "The token's audience ?script??evil? is not accepted; expected 6f1c."
        );
        assert_eq!(shown(&"a".repeat(10_000)).len(), 123);
    }

    #[test]
    fn a_claim_is_found_by_name_first_and_by_pointer_second() {
        let claims = json!({"realm_access": {"roles": ["a"]}, "https://x/groups": ["b"], "/odd": ["c"], "one": "d"});
        let list = |name| {
            Claims(of(&claims))
                .list(name)
                .map(|set| set.into_iter().collect::<Vec<_>>().join(","))
        };
        assert_eq!(list("/realm_access/roles"), Ok("a".to_owned()));
        assert_eq!(list("https://x/groups"), Ok("b".to_owned()));
        assert_eq!(list("/odd"), Ok("c".to_owned()));
        assert_eq!(list("one"), Ok("d".to_owned()));
        assert_eq!(list("none"), Ok(String::new()));
    }

    #[test]
    fn groups_of_a_wrong_form_or_number_are_refused_rather_than_dropped() {
        for groups in [
            json!([1]),
            json!({"a": 1}),
            json!([null]),
            json!([""]),
            json!(vec!["g"; limits::GROUPS_MAX + 1]),
        ] {
            let claims = json!({"groups": groups});
            assert_eq!(
                Claims(of(&claims)).list("groups").unwrap_err().code(),
                ReasonCode::TokenClaims
            );
        }
    }
}
