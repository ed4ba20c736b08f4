//! The arguments of one call: read in one way only, with the hash of their canonical form, which records keep. What rules on them mean
//! is [`actions::rules`]. Pure.

use actions::canonical::{Numbers, Unfit, fingerprint, read, spell};
use domain::policy::ArgumentRule;
use serde_json::Value;

/// What of a method's parameters is about the message and not about what it does: it differs from one time to the next.
const NO_ARGUMENTS: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// The arguments of a call.
#[derive(Debug)]
pub struct Arguments {
    value: Value,
    canonical: String,
    hash: String,
    is_exact: bool,
}

impl Arguments {
    /// Reads a tool's; none are an empty object.
    pub fn read(text: Option<&str>) -> Result<Self, Unfit> {
        Self::without(text, &[])
    }

    /// Reads a method's, which are its parameters.
    pub fn of_method(params: Option<&str>) -> Result<Self, Unfit> {
        Self::without(params, &NO_ARGUMENTS)
    }

    fn without(text: Option<&str>, members: &[&str]) -> Result<Self, Unfit> {
        let text = text.unwrap_or("{}").as_bytes();
        let (mut value, is_exact) = match read(text, Numbers::Exact) {
            Err(Unfit::Number) => (read(text, Numbers::Nearest)?, false),
            other => (other?, true),
        };
        if let Value::Object(all) = &mut value {
            all.retain(|name, _| !members.contains(&&**name));
        }
        let canonical = spell(&value);
        let hash = fingerprint(&canonical);
        Ok(Self {
            value,
            canonical,
            hash,
            is_exact,
        })
    }

    /// Their canonical form, of which [`Arguments::hash`] is the SHA-256. None where a number in them cannot be told apart from others:
    /// nobody can agree to exactly that.
    pub fn canonical(&self) -> Option<&str> {
        self.is_exact.then_some(&*self.canonical)
    }

    /// Themselves.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// SHA-256 of their canonical form, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether they meet a rule.
    pub fn meets(&self, rule: &ArgumentRule) -> bool {
        actions::rules::meets(rule, &self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_one_hash_whatever_the_order_of_their_members() {
        let hash = |text: &str| Arguments::read(Some(text)).unwrap().hash().to_owned();
        let one = hash(r#"{"a":1,"b":{"c":[2,1],"d":3}}"#);
        assert_eq!(one, hash(r#" {"b": {"d":3, "c":[2,1]}, "a":1}"#));
        assert_ne!(hash(r#"{"a":[1,2]}"#), hash(r#"{"a":[2,1]}"#));
        assert_eq!(hash("{}"), Arguments::read(None).unwrap().hash());
        assert!(Arguments::read(Some(r#"{"a":{"b":1,"b":2}}"#)).is_err());
    }

    #[test]
    fn what_is_agreed_to_is_the_text_that_the_hash_is_of() {
        let arguments = Arguments::read(Some(r#"{"b": 2.0, "a":"x"}"#)).unwrap();
        let canonical = arguments.canonical().unwrap();
        assert_eq!(canonical, r#"{"a":"x","b":2}"#);
        assert_eq!(fingerprint(canonical), arguments.hash());
        let vague = Arguments::read(Some(r#"{"amount":9007199254740993.0}"#)).unwrap();
        assert_eq!(
            vague.canonical(),
            None,
            "another number has the same double"
        );
    }

    #[test]
    fn a_methods_arguments_are_the_same_each_time_it_is_asked_for() {
        let hash = |text: &str| Arguments::of_method(Some(text)).unwrap().hash().to_owned();
        let one = hash(r#"{"uri":"a","_meta":{"progressToken":1},"requestState":"s"}"#);
        assert_eq!(
            one,
            hash(r#"{"uri":"a","_meta":{"progressToken":2},"inputResponses":{}}"#)
        );
        assert_ne!(one, hash(r#"{"uri":"b"}"#));
        let tool = |text: &str| Arguments::read(Some(text)).unwrap().hash().to_owned();
        assert_ne!(tool(r#"{"_meta":1}"#), tool("{}"), "a tool's are its own");
    }
}
