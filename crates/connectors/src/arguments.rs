//! The arguments of one call: read in one way only, with the hash of their canonical form, which records keep. What rules on them mean
//! is [`actions::rules`]. Pure.

use actions::canonical::{Numbers, Unfit, fingerprint, read, spell};
use domain::policy::ArgumentRule;
use domain::{ActionState, limits};
use serde_json::Value;

use crate::method::{HEARD, TASK_ID, TASK_IDS};

/// What of a method's parameters is about the message and not about what it does: it differs from one time to the next.
const NO_ARGUMENTS: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// The arguments of a call.
#[derive(Debug)]
pub struct Arguments {
    value: Value,
    canonical: String,
    hash: String,
    is_exact: bool,
    /// The tasks that somebody listens for: to rules each is as if it were asked for.
    heard: Vec<Value>,
}

impl Arguments {
    /// Reads a tool's; none are an empty object.
    pub fn read(text: Option<&str>) -> Result<Self, Unfit> {
        Self::without(text, &[])
    }

    /// Reads a method's, which are its parameters. What people answer is all that `tasks/update` is about.
    pub fn of_method(method: &str, params: Option<&str>) -> Result<Self, Unfit> {
        let is_answer = method == "tasks/update";
        Self::without(params, if is_answer { &["_meta"] } else { &NO_ARGUMENTS })
    }

    /// Reads those of whoever listens for tasks, to which rules apply as to asking for each of them.
    pub fn of_listening(params: Option<&str>) -> Result<Self, Unfit> {
        let read = Self::without(params, &NO_ARGUMENTS)?;
        let heard = heard(&read.value);
        if heard.len() > limits::TASKS_HEARD_MAX {
            return Err(Unfit::TooLong);
        }
        Ok(Self { heard, ..read })
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
            heard: Vec::new(),
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

    /// Whether they meet a rule. Of several tasks one is enough for a rule that takes away, and a rule that allows must hold for all.
    pub fn meets(&self, rule: &ArgumentRule) -> bool {
        let mut ids = self.heard.iter();
        match (&*self.heard, rule.then) {
            ([], _) => actions::rules::meets(rule, &self.value),
            (_, ActionState::Allow) => ids.all(|id| self.meets_asking_for(id, rule)),
            (_, ActionState::Ask | ActionState::Blocked) => {
                ids.any(|id| self.meets_asking_for(id, rule))
            }
        }
    }

    fn meets_asking_for(&self, id: &Value, rule: &ArgumentRule) -> bool {
        let mut asked = self.value.clone();
        if let Value::Object(members) = &mut asked {
            members.insert(TASK_ID.to_owned(), id.clone());
        }
        actions::rules::meets(rule, &asked)
    }
}

/// The ids of the tasks that are listened for, wherever they are named.
fn heard(params: &Value) -> Vec<Value> {
    let within = params.get(HEARD).and_then(|heard| heard.get(TASK_IDS));
    let named = [params.get(TASK_IDS), within].into_iter().flatten();
    let ids = named.flat_map(|ids| match ids {
        Value::Array(ids) => ids.as_slice(),
        other => std::slice::from_ref(other),
    });
    ids.take(limits::TASKS_HEARD_MAX + 1).cloned().collect()
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
        let hash = |text: &str| {
            let read = Arguments::of_method("resources/read", Some(text));
            read.unwrap().hash().to_owned()
        };
        let one = hash(r#"{"uri":"a","_meta":{"progressToken":1},"requestState":"s"}"#);
        assert_eq!(
            one,
            hash(r#"{"uri":"a","_meta":{"progressToken":2},"inputResponses":{}}"#)
        );
        assert_ne!(one, hash(r#"{"uri":"b"}"#));
        let tool = |text: &str| Arguments::read(Some(text)).unwrap().hash().to_owned();
        assert_ne!(tool(r#"{"_meta":1}"#), tool("{}"), "a tool's are its own");
    }

    #[test]
    fn whoever_listens_for_tasks_meets_the_rules_on_each_of_them() {
        let rule = |is: &str, then: &str| {
            let rule = serde_json::json!({"at": "/taskId", "is": is, "value": "t1", "then": then});
            serde_json::from_value::<ArgumentRule>(rule).unwrap()
        };
        let check = |params: &str, expected: [bool; 2]| {
            let read = Arguments::of_listening(Some(params)).unwrap();
            let (takes, allows) = (rule("equals", "blocked"), rule("equals", "allow"));
            assert_eq!(
                [read.meets(&takes), read.meets(&allows)],
                expected,
                "{params}"
            );
        };
        check(r#"{"notifications":{"taskIds":["t1"]}}"#, [true, true]);
        check(
            r#"{"notifications":{"taskIds":["t2","t1"]}}"#,
            [true, false],
        );
        check(
            r#"{"taskIds":["t1"],"notifications":{"taskIds":["t2"]}}"#,
            [true, false],
        );
        check(
            r#"{"taskId":"t2","notifications":{"taskIds":["t1"]}}"#,
            [true, true],
        );
        check(r#"{"notifications":{"taskIds":"t1"}}"#, [true, true]);
        check(r#"{"notifications":{"taskIds":[]}}"#, [false, false]);
        let many = |n: usize| {
            let ids = serde_json::json!({"taskIds": vec!["t"; n]}).to_string();
            Arguments::of_listening(Some(&ids)).is_ok()
        };
        assert!(many(limits::TASKS_HEARD_MAX) && !many(limits::TASKS_HEARD_MAX + 1));
        // Asking for one is about that one, whatever else it says.
        let decoy = r#"{"taskId":"t1","taskIds":["t2"]}"#;
        let asks = Arguments::of_method("tasks/get", Some(decoy)).unwrap();
        assert!(asks.meets(&rule("equals", "blocked")));
    }

    #[test]
    fn what_a_task_is_answered_is_an_argument() {
        let answered = |text: &str| {
            let read = Arguments::of_method("tasks/update", Some(text));
            read.unwrap().hash().to_owned()
        };
        let one = answered(r#"{"taskId":"t","inputResponses":{"q":{"action":"accept"}}}"#);
        let other = answered(r#"{"taskId":"t","inputResponses":{"q":{"action":"decline"}}}"#);
        assert_ne!(one, other, "a yes to one answer is none to another");
    }
}
