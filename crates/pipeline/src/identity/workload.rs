//! Which service a machine's token stands for: the first rule of its issuer whose claims all match. Pure.

use domain::Refusal;
use serde_json::Value;

use super::claims::Claims;
use super::config::WorkloadRule;

/// The first rule that matches.
pub(super) fn matching<'r>(
    rules: &'r [WorkloadRule],
    claims: Claims<'_>,
) -> Option<&'r WorkloadRule> {
    rules.iter().find(|rule| {
        !rule.claims.is_empty()
            && rule
                .claims
                .iter()
                .all(|(name, pattern)| claim_matches(claims, name, pattern))
    })
}

/// Whether a generic issuer's token was given to an application for itself, with no person behind it: its subject is the
/// application (RFC 9068, section 2.2), or it says so.
pub(super) fn is_application(claims: Claims<'_>) -> Result<bool, Refusal> {
    let subject = claims.text("sub")?;
    for name in ["client_id", "azp", "cid", "appid"] {
        if subject.is_some() && claims.text(name)? == subject {
            return Ok(true);
        }
    }
    let says = |name: &str, value: &str| claims.0.get(name).is_some_and(|stated| stated == value);
    Ok(says("idtyp", "app") || says("gty", "client-credentials"))
}

fn claim_matches(claims: Claims<'_>, name: &str, pattern: &str) -> bool {
    match claims.at(name) {
        Some(Value::String(text)) => matches(pattern, text),
        Some(Value::Bool(flag)) => pattern == flag.to_string(),
        Some(Value::Number(number)) => pattern == number.to_string(),
        _ => false,
    }
}

/// Whether a text is a pattern's, `*` standing for any run of characters. Linear in both.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(mut last) = pieces.next() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(last) {
            Some(at) => rest = &rest[at + last.len()..],
            None => return false,
        }
        last = piece;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    fn rule(service: &str, claims: &[(&str, &str)]) -> WorkloadRule {
        let claims: BTreeMap<_, _> = claims
            .iter()
            .map(|(n, p)| ((*n).to_owned(), (*p).to_owned()))
            .collect();
        WorkloadRule {
            service: service.to_owned(),
            claims,
            groups: BTreeSet::new(),
        }
    }

    #[test]
    fn a_pattern_matches_whole_texts_only() {
        for (pattern, text, expected) in [
            ("refs/heads/main", "refs/heads/main", true),
            ("refs/heads/main", "refs/heads/main2", false),
            ("refs/heads/*", "refs/heads/main", true),
            ("refs/heads/*", "refs/tags/refs/heads/main", false),
            ("acme/*", "acme-evil/app", false),
            ("*:ref:*", "repo:a:ref:b", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_whose_claims_all_match_names_the_service() {
        let rules = [
            rule(
                "deploy",
                &[("repository", "acme/app"), ("ref", "refs/heads/main")],
            ),
            rule("ci", &[("repository", "acme/*")]),
            rule("pods", &[("/kubernetes.io/namespace", "prod")]),
        ];
        let named = |claims: Value| {
            matching(&rules, Claims(claims.as_object().unwrap())).map(|rule| rule.service.clone())
        };
        assert_eq!(
            named(json!({"repository": "acme/app", "ref": "refs/heads/main"})).as_deref(),
            Some("deploy")
        );
        assert_eq!(
            named(json!({"repository": "acme/app", "ref": "refs/heads/x"})).as_deref(),
            Some("ci")
        );
        assert_eq!(
            named(json!({"kubernetes.io": {"namespace": "prod"}})).as_deref(),
            Some("pods")
        );
        assert_eq!(named(json!({"repository": ["acme/app"]})), None);
        assert_eq!(named(json!({"repository": {"acme/app": 1}})), None);
        assert_eq!(named(json!({})), None);
    }

    #[test]
    fn a_rule_without_claims_matches_nobody() {
        assert_eq!(
            matching(
                &[rule("any", &[])],
                Claims(json!({"sub": "x"}).as_object().unwrap())
            ),
            None
        );
    }

    #[test]
    fn an_application_is_told_from_a_person() {
        let check = |claims: Value, expected: bool| {
            let found = is_application(Claims(claims.as_object().unwrap()));
            assert_eq!(found.unwrap(), expected, "{claims}");
        };
        check(
            json!({"sub": "ada", "azp": "desktop", "client_id": "desktop"}),
            false,
        );
        check(json!({"sub": "robot", "client_id": "robot"}), true);
        check(json!({"sub": "robot", "azp": "robot"}), true);
        check(json!({"sub": "robot", "cid": "robot"}), true);
        check(
            json!({"sub": "robot@clients", "gty": "client-credentials"}),
            true,
        );
        check(json!({"azp": "desktop"}), false);
    }

    proptest! {
        #[test]
        fn a_text_cut_anywhere_matches_the_pattern_of_its_pieces(pieces in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[ab]{0,3}") {
            prop_assert!(matches(&pieces.join("*"), &pieces.join(&fill)));
        }
    }
}
