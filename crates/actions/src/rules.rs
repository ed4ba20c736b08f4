//! Whether the arguments of a call meet a rule of the policy. Every doubt is decided against the call: a rule that blocks or asks is met
//! when the value may be read as what it is about, a rule that allows only when it cannot be read as anything else.
//!
//! In doubt is whatever an upstream may understand otherwise than it stands: encoded, hidden, oddly spelled or of another type, under a
//! key that only looks otherwise, or inside what should have been an object. In a place, `*` stands for every item of a list. Called by
//! the connectors' door, with arguments that [`crate::canonical::read`] has read strictly.

use domain::connectors::ActionState;
use domain::policy::connectors::{ArgumentRule, Operator};
use serde_json::{Map, Value};

use crate::plain::{Readings, fold, tidied};

/// From here on doubles cannot tell numbers apart.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Whether these arguments meet a rule.
pub fn meets(rule: &ArgumentRule, arguments: &Value) -> bool {
    let holds = match pointed(arguments, &rule.at) {
        Found::Odd => Holds::Unsure,
        Found::Nothing => Holds::sure(rule.is == Operator::Absent),
        Found::Values(values) => together(values.iter().map(|value| holds(rule, value))),
    };
    match rule.then {
        ActionState::Allow => holds == Holds::Yes,
        ActionState::Ask | ActionState::Blocked => holds != Holds::No,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Unsure,
}

impl Holds {
    const fn sure(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What holds for every item holds; what holds for some is unsure.
fn together(items: impl Iterator<Item = Holds>) -> Holds {
    let mut so_far = None;
    for item in items {
        so_far = Some(match so_far {
            None => item,
            Some(before) if before == item => item,
            Some(_) => Holds::Unsure,
        });
    }
    so_far.unwrap_or(Holds::No)
}

/// What one value is to any of several readings of it.
fn either(items: impl Iterator<Item = Holds>) -> Holds {
    let mut together = Holds::No;
    for item in items {
        match item {
            Holds::Yes => return Holds::Yes,
            Holds::Unsure => together = Holds::Unsure,
            Holds::No => {}
        }
    }
    together
}

/// What stands at a place.
enum Found<'a> {
    Nothing,
    Values(Vec<&'a Value>),
    /// Something stands there that servers may understand differently.
    Odd,
}

fn pointed<'a>(arguments: &'a Value, pointer: &str) -> Found<'a> {
    let mut here = vec![arguments];
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let mut below = Vec::new();
        for value in here {
            match step(value, &token) {
                Found::Nothing => {}
                Found::Values(values) => below.extend(values),
                Found::Odd => return Found::Odd,
            }
        }
        here = below;
    }
    if here.is_empty() {
        Found::Nothing
    } else {
        Found::Values(here)
    }
}

fn step<'a>(value: &'a Value, token: &str) -> Found<'a> {
    match value {
        Value::Null => Found::Nothing,
        Value::Object(members) => member(members, token),
        Value::Array(items) if token == "*" => Found::Values(items.iter().collect()),
        Value::Array(items) => match token.parse::<usize>() {
            Ok(at) => items
                .get(at)
                .map_or(Found::Nothing, |item| Found::Values(vec![item])),
            Err(_) => Found::Odd,
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Found::Odd,
    }
}

/// The member of this name; odd when another one's name only looks otherwise, since many servers take either.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Found<'a> {
    if name == "*" && !members.contains_key(name) {
        return Found::Odd;
    }
    let key = spelled(name);
    let is_alike = |other: &String| other != name && spelled(other) == key;
    if members.keys().any(is_alike) {
        return Found::Odd;
    }
    members
        .get(name)
        .map_or(Found::Nothing, |value| Found::Values(vec![value]))
}

/// A key without what parts its words, which some servers pass over.
fn spelled(key: &str) -> String {
    fold(key)
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' ' | '$'))
        .collect()
}

/// What the rule asks is to one value.
fn holds(rule: &ArgumentRule, value: &Value) -> Holds {
    if value.is_null() {
        return match rule.is {
            Operator::Absent | Operator::Present => Holds::Unsure,
            _ => Holds::No,
        };
    }
    let wanted = rule.value.as_ref().unwrap_or(&Value::Null);
    match rule.is {
        Operator::Present => Holds::Yes,
        Operator::Absent => Holds::No,
        Operator::Equals => equals(wanted, value),
        Operator::OneOf => {
            let choices = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
            either(choices.iter().map(|choice| equals(choice, value)))
        }
        Operator::StartsWith => text(wanted, value, |reading, wanted| reading.starts_with(wanted)),
        Operator::Matches => text(wanted, value, is_of_form),
        Operator::GreaterThan => compared(wanted, value, |value, bound| value > bound),
        Operator::LessThan => compared(wanted, value, |value, bound| value < bound),
    }
}

fn equals(wanted: &Value, value: &Value) -> Holds {
    match (wanted, value) {
        (Value::String(_), Value::String(_)) => {
            text(wanted, value, |reading, wanted| reading == wanted)
        }
        (Value::Number(_), Value::Number(_)) if wanted == value => Holds::Yes,
        (Value::Number(_), Value::Number(_)) => compared(wanted, value, |value, wanted| {
            value.total_cmp(&wanted).is_eq() || (value == 0.0 && wanted == 0.0)
        }),
        (Value::Bool(wanted), Value::Bool(value)) => Holds::sure(wanted == value),
        _ => Holds::Unsure,
    }
}

/// A number to a number. Where doubles cannot tell, nothing is sure.
fn compared(wanted: &Value, value: &Value, holds: impl Fn(f64, f64) -> bool) -> Holds {
    match (wanted.as_f64(), value) {
        (Some(wanted), Value::Number(number)) => match number.as_f64() {
            Some(value) if value.abs() < EXACT_MAX || wanted.abs() < EXACT_MAX => {
                Holds::sure(holds(value, wanted))
            }
            _ => Holds::Unsure,
        },
        _ => Holds::Unsure,
    }
}

/// A text to a text: sure only when every reading of it says the same.
fn text(wanted: &Value, value: &Value, holds: impl Fn(&str, &str) -> bool) -> Holds {
    let (Value::String(wanted), Value::String(value)) = (wanted, value) else {
        return Holds::Unsure;
    };
    let readings = Readings::of(value);
    let small = fold(wanted);
    let looks = [tidied(&small), small];
    let may = readings.exact.iter().any(|reading| holds(reading, wanted))
        || readings
            .folded
            .iter()
            .any(|reading| looks.iter().any(|wanted| holds(reading, wanted)));
    let must =
        !readings.exact.is_empty() && readings.exact.iter().all(|reading| holds(reading, wanted));
    match (may, must && readings.is_certain) {
        (_, true) => Holds::Yes,
        (false, false) if readings.is_certain => Holds::No,
        (_, false) => Holds::Unsure,
    }
}

/// Whether a text is of a form, in which `*` stands for any run of characters. Takes time with the product of their lengths at most.
fn is_of_form(text: &str, form: &str) -> bool {
    let mut parts = form.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = form
        .contains('*')
        .then(|| parts.next_back().unwrap_or_default())
    else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ActionState::{Allow, Ask, Blocked};
    use Operator::{Absent, Equals, GreaterThan, LessThan, Matches, OneOf, Present, StartsWith};
    use proptest::prelude::*;
    use serde_json::json;

    fn rule(at: &str, is: Operator, value: Value, then: ActionState) -> ArgumentRule {
        ArgumentRule {
            at: at.to_owned(),
            is,
            value: (!value.is_null()).then_some(value),
            then,
        }
    }

    /// Whether a rule that blocks is met, and whether one that allows is.
    fn both(at: &str, is: Operator, value: &Value, arguments: &Value) -> (bool, bool) {
        (
            meets(&rule(at, is, value.clone(), Blocked), arguments),
            meets(&rule(at, is, value.clone(), Allow), arguments),
        )
    }

    const SURE: (bool, bool) = (true, true);
    const NEVER: (bool, bool) = (false, false);
    /// It blocks where it may block, and allows nothing.
    const DOUBT: (bool, bool) = (true, false);

    #[test]
    fn a_disguised_path_is_blocked_where_it_may_lead_and_allowed_nowhere() {
        for (path, expected) in [
            ("/users/1", SURE),
            ("/users/grüße", SURE),
            ("/users/a%20b", SURE),
            ("/me/messages", NEVER),
            ("/Users/1", DOUBT),
            ("//users/1", DOUBT),
            ("/./users/1", DOUBT),
            ("/me/../users/1", DOUBT),
            ("/me/%2e%2e/users/1", DOUBT),
            ("/me/%252e%252e/users/1", DOUBT),
            ("/%75sers/1", DOUBT),
            ("/us\u{200b}ers/1", DOUBT),
            ("/ｕsers/1", DOUBT),
            ("\\users\\1", DOUBT),
            ("users/1", DOUBT),
            (" /users/1", DOUBT),
            ("/users;x=1/1", DOUBT),
            ("/users/../me", DOUBT),
            ("/users/%2e%2e/me", DOUBT),
            ("/users/1\0", DOUBT),
            ("/me/%ff", DOUBT),
            ("/me/%25252525", DOUBT),
        ] {
            let found = both(
                "/path",
                StartsWith,
                &json!("/users/"),
                &json!({"path": path}),
            );
            assert_eq!(found, expected, "{path:?}");
        }
    }

    #[test]
    fn another_type_where_a_text_should_stand_slips_through_nowhere() {
        for (arguments, expected) in [
            (json!({"path": ["/users/1"]}), DOUBT),
            (json!({"path": {"x": "/users/1"}}), DOUBT),
            (json!({"path": 7}), DOUBT),
            (json!({"path": true}), DOUBT),
            (json!({"path": null}), NEVER),
            (json!({}), NEVER),
            (json!(null), NEVER),
            (json!("/users/1"), DOUBT),
            (json!([{"path": "/users/1"}]), DOUBT),
            (json!({"Path": "/users/1"}), DOUBT),
            (json!({"path": "/me", "PATH": "/users/1"}), DOUBT),
            (json!({"pa\u{200b}th": "/users/1"}), DOUBT),
            (json!({"pa_th": "/users/1"}), DOUBT),
        ] {
            let found = both("/path", StartsWith, &json!("/users/"), &arguments);
            assert_eq!(found, expected, "{arguments}");
        }
        let inside = both(
            "/body/path",
            Equals,
            &json!("x"),
            &json!({"body": "{\"path\":\"x\"}"}),
        );
        assert_eq!(inside, DOUBT);
    }

    #[test]
    fn what_equals_is_the_value_itself() {
        for (is, value, argument, expected) in [
            (Equals, json!("contact"), json!("contact"), SURE),
            (Equals, json!("contact"), json!("CONTACT"), DOUBT),
            (Equals, json!("contact"), json!("deal"), NEVER),
            (Equals, json!(5), json!(5), SURE),
            (Equals, json!(5), json!(5.0), SURE),
            (Equals, json!(0), json!(-0.0), SURE),
            (Equals, json!(5), json!(6), NEVER),
            (Equals, json!(5), json!("5"), DOUBT),
            (Equals, json!(5), json!(true), DOUBT),
            (Equals, json!(true), json!(true), SURE),
            (Equals, json!(true), json!(false), NEVER),
            (Equals, json!(true), json!("true"), DOUBT),
            (
                Equals,
                json!(9_007_199_254_740_993_u64),
                json!(9_007_199_254_740_993_u64),
                SURE,
            ),
            (
                Equals,
                json!(9_007_199_254_740_993_u64),
                json!(9_007_199_254_740_992_u64),
                DOUBT,
            ),
        ] {
            let found = both("/a", is, &value, &json!({"a": argument}));
            assert_eq!(found, expected, "{is} {value} {argument}");
        }
    }

    #[test]
    fn every_operator_says_what_its_word_says() {
        for (is, value, argument, expected) in [
            (OneOf, json!(["a", "b", 3]), json!("b"), SURE),
            (OneOf, json!(["a", "b"]), json!("B"), DOUBT),
            (OneOf, json!(["a", "b"]), json!("c"), NEVER),
            (OneOf, json!(["a", 3]), json!("c"), DOUBT),
            (
                Matches,
                json!("/users/*/mail"),
                json!("/users/7/mail"),
                SURE,
            ),
            (
                Matches,
                json!("/users/*/mail"),
                json!("/users/7/calendar"),
                NEVER,
            ),
            (
                Matches,
                json!("/users/*/mail"),
                json!("/users/7/x/../mail"),
                SURE,
            ),
            (
                Matches,
                json!("/users/*/mail"),
                json!("/users/../x/mail"),
                DOUBT,
            ),
            (Matches, json!("*"), json!("anything"), SURE),
            (GreaterThan, json!(100), json!(101), SURE),
            (GreaterThan, json!(100), json!(100), NEVER),
            (GreaterThan, json!(100), json!(1e300), SURE),
            (GreaterThan, json!(100), json!("101"), DOUBT),
            (GreaterThan, json!(100), json!("5"), DOUBT),
            (GreaterThan, json!(100), json!([101]), DOUBT),
            (LessThan, json!(0), json!(-1), SURE),
            (LessThan, json!(0), json!(0), NEVER),
            (Present, json!(null), json!("x"), SURE),
            (Absent, json!(null), json!("x"), NEVER),
            (Present, json!(null), json!(null), DOUBT),
            (Absent, json!(null), json!(null), DOUBT),
        ] {
            let found = both("/a", is, &value, &json!({"a": argument}));
            assert_eq!(found, expected, "{is} {value} {argument}");
        }
        assert_eq!(both("/a", Absent, &json!(null), &json!({})), SURE);
        assert_eq!(both("/a", Present, &json!(null), &json!({})), NEVER);
        assert_eq!(both("/a", Absent, &json!(null), &json!({"A": 1})), DOUBT);
    }

    #[test]
    fn a_place_may_be_every_item_of_a_list() {
        let at = |urls: Value| {
            both(
                "/urls/*",
                StartsWith,
                &json!("/me/"),
                &json!({"urls": urls}),
            )
        };
        assert_eq!(at(json!(["/me/a", "/me/b"])), SURE);
        assert_eq!(at(json!(["/me/a", "/users/b"])), DOUBT);
        assert_eq!(at(json!(["/users/b"])), NEVER);
        assert_eq!(at(json!([])), NEVER);
        assert_eq!(at(json!("/me/a")), DOUBT);
        assert_eq!(at(json!({"0": "/me/a"})), DOUBT);
        let nested = json!({"items": [{"type": "deal"}, {"type": "task"}]});
        assert_eq!(
            both("/items/*/type", Equals, &json!("deal"), &nested),
            DOUBT
        );
        assert_eq!(both("/items/0/type", Equals, &json!("deal"), &nested), SURE);
        assert_eq!(
            both("/a~1b/~0", Equals, &json!(1), &json!({"a/b": {"~": 1}})),
            SURE
        );
    }

    #[test]
    fn asking_goes_by_the_same_doubt_as_blocking() {
        let rule = rule("/path", StartsWith, json!("/me/sendMail"), Ask);
        assert!(meets(&rule, &json!({"path": "/me/sendmail"})));
        assert!(!meets(&rule, &json!({"path": "/me/events"})));
    }

    #[test]
    fn forms_are_matched_whole() {
        for (text, form, expected) in [
            ("abc", "abc", true),
            ("abcd", "abc", false),
            ("abc", "*", true),
            ("abc", "a*c", true),
            ("ac", "a*c", true),
            ("a", "a*a", false),
            ("aXbXc", "a*b*c", true),
            ("", "*", true),
            ("", "", true),
        ] {
            assert_eq!(is_of_form(text, form), expected, "{text} {form}");
        }
    }

    /// Ways to write the same path for a server that decodes and tidies.
    fn disguise(path: &str, ways: &[u8]) -> String {
        let mut path = path.to_owned();
        for way in ways {
            path = match way % 6 {
                0 => path.replace('/', "//"),
                1 => format!("/x/..{path}"),
                2 => path.replacen('s', "%73", 1),
                3 => path.to_uppercase(),
                4 => path.replacen('/', "/./", 1),
                _ => path.replacen('u', "\u{ff55}", 1),
            };
        }
        path
    }

    proptest! {
        #[test]
        fn no_disguise_gets_a_path_past_a_rule_that_blocks(ways in proptest::collection::vec(any::<u8>(), 0..4)) {
            let path = disguise("/users/1", &ways);
            let arguments = json!({"path": path});
            prop_assert!(both("/path", StartsWith, &json!("/users/"), &arguments).0, "{}", arguments);
        }

        #[test]
        fn what_a_rule_allows_no_rule_that_blocks_the_same_passes(
            at in "/[ab*]{1,2}", text in "[/a%2e.;A\\\\]{0,8}", wanted in "[/a.]{1,3}", is in 0_usize..4,
        ) {
            let is = [Equals, StartsWith, Matches, Present][is];
            for arguments in [json!({"a": text}), json!({"a": [text]}), json!({"A": text}), json!([text])] {
                let (blocks, allows) = both(&at, is, &json!(wanted), &arguments);
                prop_assert!(blocks || !allows, "{} {}", is, arguments);
            }
        }

        #[test]
        fn nothing_that_is_sent_panics(at in "(/[a*~0-9]{0,3}){0,3}", text in any::<String>(), number in any::<f64>()) {
            let arguments = json!({"a": {"a": text}, "0": [number, text]});
            for is in Operator::ALL {
                let _ = both(&at, *is, &json!("a"), &arguments);
            }
        }
    }
}
