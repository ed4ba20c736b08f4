//! What a request would do: talk, browse, or act. Every method that is not known to do nothing is an action, by its own name, and so
//! falls under the policy. Pure; the one place that says so.

use std::borrow::Cow;

use actions::canonical::{Numbers, Unfit};
use actions::classify::by_verbs;
use domain::ActionClass;
use domain::connectors::is_action_name;
use serde_json::Value;

use crate::params::Params;
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
    /// Whether it is to hear of what it names, and not to ask for it.
    pub is_heard: bool,
    /// Whether that is a thing which connectors list: a tool, a prompt, a resource. What is asked of one may be answered by a question.
    pub is_listed: bool,
}

impl Act<'_> {
    /// The prompt that it would have, where it would have one.
    pub fn prompt(&self) -> Option<&str> {
        let is_prompt = !self.is_tool && self.action == "prompts/get";
        self.named.as_deref().filter(|_| is_prompt)
    }
}

/// What a call of a tool says beside its name and arguments, in its canonical form: what people answer to its connector, what it goes on
/// from, how it is to be done. None where it says nothing. A list of one, which arguments never are: so neither is taken for the other.
pub fn beside(params: &str) -> Result<Option<String>, Unfit> {
    let mut said = actions::canonical::read(params.as_bytes(), Numbers::Exact)?;
    if let Value::Object(members) = &mut said {
        members.retain(|name, _| !matches!(&**name, "name" | "_meta"));
        if members.keys().any(|name| name != "arguments") {
            return Ok(Some(actions::canonical::spell(&Value::Array(vec![said]))));
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

const KNOWN: &[&str] = &["name", "arguments", "uri"];
/// What asks for a task, and what of a task is heard of.
pub(crate) const TASK_ID: &str = "taskId";
/// The same of those that somebody listens for.
pub(crate) const TASK_IDS: &str = "taskIds";
/// What somebody wants to hear of.
pub(crate) const HEARD: &str = "notifications";

/// What this request would do.
pub fn deed<'a>(method: &Cow<'a, str>, params: &Params<'a>) -> Result<Deed<'a>, NoDeed> {
    let browse = match &**method {
        "initialize" | "ping" | "server/discover" | "tools/list" | "logging/setLevel" => {
            return Ok(Deed::Talk);
        }
        "subscriptions/listen" => return listening(params),
        "resources/list" => Some("resources/list"),
        "resources/templates/list" => Some("resources/templates/list"),
        "prompts/list" => Some("prompts/list"),
        _ => None,
    };
    if let Some(action) = browse {
        return Ok(Deed::Browse(action));
    }
    params.unmistakable(KNOWN)?;
    let text = |key: &'static str| params.string(key).ok_or(NoDeed::Missing(key));
    let is_tool = &**method == "tools/call";
    let named = match &**method {
        "tools/call" | "prompts/get" => Some(text("name")?),
        "resources/read" => Some(text("uri")?),
        "tasks/get" | "tasks/update" | "tasks/cancel" => {
            params.unmistakable(&[TASK_ID])?;
            params.string(TASK_ID)
        }
        _ => None,
    };
    let arguments = params.get("arguments");
    Ok(Deed::Act(Act {
        action: match (&named, is_tool) {
            (Some(name), true) => name.clone(),
            _ => method.clone(),
        },
        is_tool,
        class: class_of_method(method),
        arguments: if is_tool { arguments } else { params.text() },
        is_heard: false,
        is_listed: named.is_some() && !method.starts_with("tasks/"),
        named,
    }))
}

/// To listen is to talk, unless it is for tasks: what is heard of one is all that `tasks/get` tells, its result too.
fn listening<'a>(params: &Params<'a>) -> Result<Deed<'a>, NoDeed> {
    params.unmistakable(&[HEARD, TASK_IDS])?;
    let heard = match params.get(HEARD).filter(|heard| heard.starts_with('{')) {
        Some(heard) => Members::read(heard, &[TASK_IDS])?,
        None => Members::default(),
    };
    if heard.get(TASK_IDS).or(params.get(TASK_IDS)).is_none() {
        return Ok(Deed::Talk);
    }
    Ok(Deed::Act(Act {
        action: Cow::Borrowed("tasks/get"),
        is_tool: false,
        class: class_of_method("tasks/get"),
        arguments: params.text(),
        named: None,
        is_heard: true,
        is_listed: false,
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
        .take_while(|(nth, letter)| *nth == 0 || !letter.is_ascii_uppercase())
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
        match deed(&method, &Params::read(Some(params))?)? {
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
            let found = deed(&Cow::Borrowed(method), &Params::default());
            assert_eq!(found, Ok(Deed::Talk));
        }
        assert_eq!(
            deed(&Cow::Borrowed("prompts/list"), &Params::default()),
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
    fn whoever_listens_for_a_task_does_what_asking_for_it_does() {
        let listen = |params: &str| act("subscriptions/listen", params);
        let tasks = Ok(("tasks/get".to_owned(), ActionClass::Generic, false));
        for params in [
            r#"{"notifications":{"taskIds":["t"]}}"#,
            r#"{"notifications":{"toolsListChanged":true,"taskIds":[]}}"#,
            r#"{"taskIds":["t"]}"#,
        ] {
            assert_eq!(listen(params), tasks, "{params}");
        }
        for params in [
            r#"{"notifications":{"TaskIds":["t"]}}"#,
            r#"{"notifications":{"taskIds":[],"taskIds":["t"]}}"#,
            r#"{"Notifications":{"taskIds":["t"]}}"#,
        ] {
            assert!(listen(params).is_err(), "{params}");
        }
        let tools = Params::read(Some(r#"{"notifications":{"toolsListChanged":true}}"#)).unwrap();
        let found = deed(&Cow::Borrowed("subscriptions/listen"), &tools);
        assert_eq!(found, Ok(Deed::Talk));
    }

    #[test]
    fn a_task_is_named_by_its_id_and_is_no_thing_of_a_list() {
        let named = |method: &str, params: &str| {
            let method = Cow::Owned(method.to_owned());
            let params = Params::read(Some(params)).unwrap();
            match deed(&method, &params) {
                Ok(Deed::Act(act)) => Some((act.named.map(Cow::into_owned), act.is_listed)),
                _ => None,
            }
        };
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let found = named(method, r#"{"taskId":"t"}"#);
            assert_eq!(found, Some((Some("t".to_owned()), false)), "{method}");
            assert_eq!(named(method, "{}"), Some((None, false)), "{method}");
            let twice = r#"{"taskId":"t","taskid":"u"}"#;
            assert_eq!(named(method, twice), None, "{method}");
        }
        let listed = named("prompts/get", r#"{"name":"p"}"#);
        assert_eq!(listed, Some((Some("p".to_owned()), true)));
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
            Some(r#"[{"arguments":{"x":2,"y":1},"task":{"ttl":9}}]"#),
        );
        check(
            r#"{"name":"a","inputResponses":{"q":{"action":"accept"}}}"#,
            Some(r#"[{"inputResponses":{"q":{"action":"accept"}}}]"#),
        );
        let nested = r#"{"name":"a","arguments":{"arguments":{"x":1},"task":{}}}"#;
        check(nested, None);
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
