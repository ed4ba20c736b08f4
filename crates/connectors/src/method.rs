//! What a request would do: talk, browse, or act. Every method that is not known to do nothing is an action, by its own name, and so
//! falls under the policy. Pure; the one place that says so.

use std::borrow::Cow;

use actions::canonical::{Numbers, Unfit};
use actions::classify::by_verbs;
use domain::ActionClass;
use domain::connectors::is_action_name;
use serde_json::Value;

use crate::strict::{Malformed, Members};

/// What a request would do.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Says hello, lists what may be done, sets how much is logged, or listens. It needs no more than leave to speak.
    Talk,
    /// Lists what there is to read, by the name of an action.
    Browse(&'static str),
    /// Does something.
    Act(Act<'a>),
}

/// An action.
#[derive(Debug, PartialEq, Eq)]
pub struct Act<'a> {
    /// Its name: a tool's, or a method's.
    pub action: Cow<'a, str>,
    /// Whether it is a tool.
    pub is_tool: bool,
    /// What a method does to the world; a tool's class is found elsewhere.
    pub class: ActionClass,
    /// Its arguments, as they are written.
    pub arguments: Option<&'a str>,
    /// What the `Mcp-Name` header must repeat.
    pub named: Option<Cow<'a, str>>,
}

/// What a call of a tool says beside its name and arguments, in its canonical form: what people answer to its connector, what it goes on
/// from, how it is to be done. None where it says nothing.
pub fn beside(params: &str) -> Result<Option<String>, Unfit> {
    let mut said = actions::canonical::read(params.as_bytes(), Numbers::Exact)?;
    if let Value::Object(members) = &mut said {
        members.retain(|name, _| !matches!(&**name, "name" | "_meta"));
        if members.keys().any(|name| name != "arguments") {
            return Ok(Some(actions::canonical::spell(&said)));
        }
    }
    Ok(None)
}

/// Why a request's parameters are none of its method's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDeed {
    /// Not to be read in one way.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A parameter that must be there.
    #[error("params.{0} is missing or not a text")]
    Missing(&'static str),
}

const KNOWN: &[&str] = &["name", "arguments", "uri", "_meta"];

/// What this request would do.
pub fn deed<'a>(method: &Cow<'a, str>, params: Option<&'a str>) -> Result<Deed<'a>, NoDeed> {
    let browse = match &**method {
        "initialize"
        | "ping"
        | "server/discover"
        | "tools/list"
        | "logging/setLevel"
        | "subscriptions/listen" => return Ok(Deed::Talk),
        "resources/list" => Some("resources/list"),
        "resources/templates/list" => Some("resources/templates/list"),
        "prompts/list" => Some("prompts/list"),
        _ => None,
    };
    if let Some(action) = browse {
        return Ok(Deed::Browse(action));
    }
    let members = Members::read(params.unwrap_or("{}"), KNOWN)?;
    let text = |key: &'static str| members.string(key).ok_or(NoDeed::Missing(key));
    let is_tool = &**method == "tools/call";
    let named = match &**method {
        "tools/call" | "prompts/get" => Some(text("name")?),
        "resources/read" => Some(text("uri")?),
        _ => None,
    };
    let arguments = members.get("arguments");
    Ok(Deed::Act(Act {
        action: match (&named, is_tool) {
            (Some(name), true) => name.clone(),
            _ => method.clone(),
        },
        is_tool,
        class: class_of_method(method),
        arguments: if is_tool { arguments } else { params },
        named,
    }))
}

fn class_of_method(method: &str) -> ActionClass {
    match method {
        "resources/read"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "prompts/get"
        | "completion/complete" => ActionClass::Read,
        // `tasks/…` too: a connector that knows nobody by name cannot tell whose task it is, and its result may be anything.
        _ => ActionClass::Generic,
    }
}

/// Whether a text can be the name of a tool that is ever offered. None has a slash, so that none is taken for a method.
pub fn is_tool_name(name: &str) -> bool {
    is_action_name(name) && !name.contains('/')
}

/// What a tool does to the world, by its name alone: reading where it begins with a plain verb of reading and has no other, destructive
/// otherwise.
pub fn class_of_tool(name: &str) -> ActionClass {
    let verb: String = name
        .split(['_', '-', '.'])
        .next()
        .unwrap_or_default()
        .chars()
        .enumerate()
        .take_while(|(place, letter)| *place == 0 || !letter.is_ascii_uppercase())
        .map(|(_, letter)| letter.to_ascii_lowercase())
        .collect();
    match verb.as_str() {
        "get" | "list" | "search" | "read" | "find" | "describe"
            if by_verbs(name) == Some(ActionClass::Read) =>
        {
            ActionClass::Read
        }
        _ => ActionClass::Destructive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(method: &str, params: &str) -> Result<(String, ActionClass, bool), NoDeed> {
        let method = Cow::Owned(method.to_owned());
        match deed(&method, Some(params))? {
            Deed::Act(act) => Ok((act.action.into_owned(), act.class, act.is_tool)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_is_not_known_to_do_nothing_is_an_action() {
        use ActionClass::{Generic, Read};
        for method in [
            "initialize",
            "ping",
            "tools/list",
            "server/discover",
            "subscriptions/listen",
        ] {
            assert_eq!(deed(&Cow::Borrowed(method), None), Ok(Deed::Talk));
        }
        assert_eq!(
            deed(&Cow::Borrowed("prompts/list"), None),
            Ok(Deed::Browse("prompts/list"))
        );
        for (method, params, action, class) in [
            (
                "tools/call",
                r#"{"name":"put","arguments":{}}"#,
                "put",
                Generic,
            ),
            (
                "resources/read",
                r#"{"uri":"file:///x"}"#,
                "resources/read",
                Read,
            ),
            ("prompts/get", r#"{"name":"x"}"#, "prompts/get", Read),
            ("tasks/cancel", "{}", "tasks/cancel", Generic),
            ("tasks/result", "{}", "tasks/result", Generic),
            ("Tools/list", "{}", "Tools/list", Generic),
            ("tools/run", "{}", "tools/run", Generic),
            ("x", "{}", "x", Generic),
        ] {
            let expected = (action.to_owned(), class, method == "tools/call");
            assert_eq!(act(method, params), Ok(expected), "{method}");
        }
    }

    #[test]
    fn a_call_whose_name_can_be_read_in_two_ways_is_none() {
        for params in [
            "{}",
            r#"{"name":5}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"a","Name":"b"}"#,
            r#"{"name":"a","Arguments":{}}"#,
            r#"{"name":"a","argumentſ":{}}"#,
            r#"{"name":"a","argument\u017f":{}}"#,
        ] {
            assert!(act("tools/call", params).is_err(), "{params}");
        }
    }

    #[test]
    fn what_a_call_says_beside_its_arguments_is_told() {
        let check = |params: &str, expected: Option<&str>| {
            assert_eq!(beside(params).unwrap().as_deref(), expected, "{params}");
        };
        check("{}", None);
        check(
            r#"{"name":"a","arguments":{"x":1},"_meta":{"progressToken":1}}"#,
            None,
        );
        check(
            r#"{"name":"a","task":{"ttl":9},"arguments":{"y":1,"x":2}}"#,
            Some(r#"{"arguments":{"x":2,"y":1},"task":{"ttl":9}}"#),
        );
        check(
            r#"{"name":"a","inputResponses":{"q":{"action":"accept"}}}"#,
            Some(r#"{"inputResponses":{"q":{"action":"accept"}}}"#),
        );
        assert!(beside(r#"{"task":1,"task":2}"#).is_err());
    }

    #[test]
    fn a_tool_reads_only_where_its_verb_says_so() {
        for (name, class) in [
            ("get_item", ActionClass::Read),
            ("listItems", ActionClass::Read),
            ("search", ActionClass::Read),
            ("getter_of_things", ActionClass::Destructive),
            ("forget_item", ActionClass::Destructive),
            ("get_and_delete_all", ActionClass::Destructive),
            ("send", ActionClass::Destructive),
            ("", ActionClass::Destructive),
        ] {
            assert_eq!(class_of_tool(name), class, "{name}");
        }
        assert!(is_tool_name("get_item") && !is_tool_name("tools/list") && !is_tool_name("a b"));
    }
}
