//! Lists of actions, less those that somebody may not do. What stays is byte for byte what the connector said; a list that differs
//! from person to person is marked as private. Pure.

use std::borrow::Cow;

use crate::envelope::Id;
use crate::pins::Listed;
use crate::strict::{self, Malformed, Members};

/// What is shown of a connector's actions, and who hears what it lists.
pub trait Lists: Send + Sync {
    /// What of an action is shown: itself, something in its place, or nothing.
    fn shown<'d>(&self, name: &str, definition: &'d str) -> Option<Cow<'d, str>>;

    /// Everything that a list held, shown or not.
    fn listed(&self, listed: Listed);

    /// The answer to what was asked, as the client waits for it; none where it goes on as it is.
    fn handed_on(&self, _answer: &str) -> Result<Option<String>, Malformed> {
        Ok(None)
    }

    /// Whether what a connector asks its client is answered here, and goes to nobody.
    ///
    /// Errors: it has asked too much.
    fn is_answered(&self, _id: &Id, _method: &str) -> Result<bool, Malformed> {
        Ok(false)
    }
}

/// The message with what `lists` shows of its actions; none where it lists no actions. An action without a readable name goes.
pub fn filtered(
    message: &str,
    result: &str,
    lists: &dyn Lists,
) -> Result<Option<String>, Malformed> {
    if !result.starts_with('{') {
        return Ok(None);
    }
    let members = Members::read(result, &["tools", "cacheScope", "nextCursor"])?;
    let Some(tools) = members.get("tools") else {
        return Ok(None);
    };
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    let mut all = Vec::new();
    for tool in strict::items(tools)? {
        let tool = tool.get();
        let members = Members::read(tool, &["name"]).ok();
        let name = members.and_then(|members| members.string("name"));
        let Some(name) = name else { continue };
        kept.extend(lists.shown(&name, tool));
        all.push((name.into_owned(), tool.to_owned()));
    }
    lists.listed(Listed {
        actions: all,
        is_whole: members.get("nextCursor").is_none(),
    });
    let mut changes = vec![(tools, format!("[{}]", kept.join(",")))];
    if let Some(scope) = members.get("cacheScope") {
        changes.push((scope, "\"private\"".to_owned()));
    }
    Ok(Some(strict::spliced(message, &changes)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Shows what begins so.
    pub(crate) struct Only(pub(crate) &'static str);

    impl Lists for Only {
        fn shown<'d>(&self, name: &str, definition: &'d str) -> Option<Cow<'d, str>> {
            name.starts_with(self.0)
                .then_some(Cow::Borrowed(definition))
        }

        fn listed(&self, _: Listed) {}
    }

    fn check(result: &str, expected: &str) {
        let message = format!("{{\"jsonrpc\":\"2.0\", \"id\":1,\"result\" : {result} }}");
        let at = message.find(result).unwrap();
        let result = &message[at..at + result.len()];
        let found = filtered(&message, result, &Only("get")).unwrap();
        assert_eq!(found.as_deref(), Some(&*message.replace(result, expected)));
    }

    #[test]
    fn what_stays_is_byte_for_byte_what_was_said() {
        check(
            r#"{"ttlMs":5,"tools":[ {"name":"get_a","x":1.0,"z":{"b":1,"a":2}} ,{"name":"put"},{"name":"get\u005fb"}],"cacheScope":"public","y":[]}"#,
            r#"{"ttlMs":5,"tools":[{"name":"get_a","x":1.0,"z":{"b":1,"a":2}},{"name":"get\u005fb"}],"cacheScope":"private","y":[]}"#,
        );
        check(
            r#"{"cacheScope":"public","tools":[]}"#,
            r#"{"cacheScope":"private","tools":[]}"#,
        );
    }

    #[test]
    fn an_action_that_can_be_read_in_two_ways_is_not_shown() {
        check(
            r#"{"tools":[{"name":"get","name":"put"},{"Name":"get"},{"name":5},{},5,{"name":"get"}]}"#,
            r#"{"tools":[{"name":"get"}]}"#,
        );
    }

    #[test]
    fn another_answer_is_left_alone_and_a_list_that_is_none_is_a_fault() {
        for result in ["{}", "{\"content\":[]}", "5", "[]"] {
            assert_eq!(filtered(result, result, &Only("")).unwrap(), None);
        }
        for result in [
            "{\"tools\":5}",
            "{\"tools\":[],\"tools\":[]}",
            "{\"Tools\":[]}",
        ] {
            assert!(filtered(result, result, &Only("")).is_err(), "{result}");
        }
    }
}
