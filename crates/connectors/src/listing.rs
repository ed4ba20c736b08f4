//! What Claude reads of a connector on its way to a client: lists of actions, less those that somebody may not do, lists of prompts, and the
//! instructions of a greeting, less what was not approved. What stays is byte for byte what the connector said; a list that differs from
//! person to person is marked as private. Pure.

use std::borrow::Cow;

use actions::definition::{Definition, INSTRUCTIONS, of_instructions};
use domain::connectors::DefinitionKind;
use serde_json::Value;

use crate::envelope::Id;
use crate::pins::Listed;
use crate::strict::{self, Malformed, Members};

/// What is shown of what a connector says, and who hears what it lists.
pub trait Lists: Send + Sync {
    /// What of a definition is shown: itself, something in its place, or nothing.
    fn shown<'d>(
        &self,
        kind: DefinitionKind,
        name: &str,
        definition: &'d str,
    ) -> Option<Cow<'d, str>>;

    /// Everything that a list or a greeting held, shown or not.
    fn listed(&self, listed: Listed);

    /// Whether what comes is what somebody's action gives: content, whatever its members are called.
    fn is_content(&self) -> bool {
        false
    }

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

/// Members that mean something here, in whatever is no action's answer.
const IN_TALK: &[&str] = &[
    "tools",
    "cacheScope",
    "nextCursor",
    "prompts",
    "instructions",
];

/// The message with what `lists` shows of it; none where it goes on as it is. What lists something and has no readable name goes.
pub fn filtered(
    message: &str,
    result: &str,
    lists: &dyn Lists,
) -> Result<Option<String>, Malformed> {
    if !result.starts_with('{') {
        return Ok(None);
    }
    // What an action gives is content, whatever its members are called; none of them may stand twice.
    let is_content = lists.is_content();
    let members = Members::read(result, if is_content { &[] } else { IN_TALK })?;
    if is_content {
        return Ok(None);
    }
    let mut changes = Vec::new();
    if let Some(tools) = members.get("tools") {
        let (kept, _) = kept(DefinitionKind::Tool, (&members, tools), lists)?;
        changes.push((tools, kept));
    }
    if let Some(prompts) = members.get("prompts") {
        let (kept, is_changed) = kept(DefinitionKind::Prompt, (&members, prompts), lists)?;
        changes.extend(is_changed.then_some((prompts, kept)));
    }
    changes.extend(instructions((&members, result), lists));
    if changes.is_empty() {
        return Ok(None);
    }
    if let Some(scope) = members.get("cacheScope") {
        changes.push((scope, "\"private\"".to_owned()));
    }
    Ok(Some(strict::spliced(message, &changes)))
}

/// What is shown of a list, and whether that is another one.
fn kept(
    kind: DefinitionKind,
    (members, list): (&Members<'_>, &str),
    lists: &dyn Lists,
) -> Result<(String, bool), Malformed> {
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    let mut all = Vec::new();
    let items = strict::items(list)?;
    for item in &items {
        let item = item.get();
        let members = Members::read(item, &["name"]).ok();
        let name = members.and_then(|members| members.string("name"));
        let Some(name) = name else { continue };
        kept.extend(lists.shown(kind, &name, item));
        all.push((name.into_owned(), item.to_owned()));
    }
    lists.listed(Listed {
        kind,
        definitions: all,
        is_whole: members.get("nextCursor").is_none(),
    });
    let is_another = |item: &Cow<'_, str>| matches!(item, Cow::Owned(_));
    let is_changed = kept.len() != items.len() || kept.iter().any(is_another);
    Ok((format!("[{}]", kept.join(",")), is_changed))
}

/// What changes about the instructions of a greeting: they go, with their name, or others stand in their place.
fn instructions<'r>(
    (members, result): (&Members<'r>, &'r str),
    lists: &dyn Lists,
) -> Option<(&'r str, String)> {
    let said = members
        .get("instructions")
        .filter(|said| !strict::is_null(said) && *said != "\"\"");
    let definition = said.map(of_instructions);
    let named = |definition: &String| (INSTRUCTIONS.to_owned(), definition.clone());
    lists.listed(Listed {
        kind: DefinitionKind::Instructions,
        definitions: definition.iter().map(named).collect(),
        is_whole: true,
    });
    let (said, definition) = (said?, definition?);
    let pinned = match lists.shown(DefinitionKind::Instructions, INSTRUCTIONS, &definition) {
        Some(Cow::Borrowed(_)) => return None,
        Some(Cow::Owned(pinned)) => Definition::read(pinned.as_bytes()).ok(),
        None => None,
    };
    match pinned {
        Some(pinned) => Some((said, Value::from(pinned.description()).to_string())),
        None => Some((members.entry(result, "instructions")?, String::new())),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Shows what begins so.
    pub(crate) struct Only(pub(crate) &'static str);

    impl Lists for Only {
        fn shown<'d>(
            &self,
            _: DefinitionKind,
            name: &str,
            definition: &'d str,
        ) -> Option<Cow<'d, str>> {
            name.starts_with(self.0)
                .then_some(Cow::Borrowed(definition))
        }

        fn listed(&self, _: Listed) {}
    }

    /// What is shown of whatever comes.
    #[derive(Clone, Copy)]
    enum Shows {
        Itself,
        Another,
        Nothing,
    }

    /// Shows what it is told to, and remembers what it was told.
    struct Said {
        shows: Shows,
        is_content: bool,
        told: std::sync::Mutex<Vec<Listed>>,
    }

    impl Said {
        fn showing(shows: Shows) -> Self {
            Self {
                shows,
                is_content: false,
                told: std::sync::Mutex::default(),
            }
        }
    }

    impl Lists for Said {
        fn shown<'d>(
            &self,
            _: DefinitionKind,
            _: &str,
            definition: &'d str,
        ) -> Option<Cow<'d, str>> {
            match self.shows {
                Shows::Itself => Some(Cow::Borrowed(definition)),
                Shows::Another => {
                    let other = of_instructions(r#""as \u0061pproved \"so\"""#);
                    Some(Cow::Owned(other))
                }
                Shows::Nothing => None,
            }
        }

        fn listed(&self, listed: Listed) {
            self.told.lock().unwrap().push(listed);
        }

        fn is_content(&self) -> bool {
            self.is_content
        }
    }

    const HELLO: &str = r#"{"cacheScope":"public","capabilities":{"x":{"b":1, "a":1.0}}, "instructions" : "Do \u0069t.","serverInfo":{}}"#;

    #[test]
    fn instructions_go_alone_or_others_stand_in_their_place() {
        for (shows, expected) in [
            (Shows::Itself, None),
            (
                Shows::Nothing,
                Some(
                    r#"{"cacheScope":"private","capabilities":{"x":{"b":1, "a":1.0}},"serverInfo":{}}"#,
                ),
            ),
            (
                Shows::Another,
                Some(
                    r#"{"cacheScope":"private","capabilities":{"x":{"b":1, "a":1.0}}, "instructions" : "as approved \"so\"","serverInfo":{}}"#,
                ),
            ),
        ] {
            let found = filtered(HELLO, HELLO, &Said::showing(shows)).unwrap();
            assert_eq!(found.as_deref(), expected);
        }
        for none in [
            r#"{"instructions":null}"#,
            r#"{"instructions":""}"#,
            r#"{"x":{"instructions":"a"}}"#,
        ] {
            let lists = Said::showing(Shows::Nothing);
            assert_eq!(filtered(none, none, &lists).unwrap(), None, "{none}");
            assert!(lists.told.lock().unwrap()[0].definitions.is_empty());
        }
    }

    #[test]
    fn every_spelling_of_instructions_is_told_and_two_of_them_are_a_fault() {
        for said in ["{\"a\":1}", "5", "[\"Do it.\"]", "\"Do it.\""] {
            let result = format!("{{\"instruc\\u0074ions\":{said}}}");
            let lists = Said::showing(Shows::Nothing);
            assert_eq!(
                filtered(&result, &result, &lists).unwrap().as_deref(),
                Some("{}")
            );
            let told = &lists.told.lock().unwrap()[0];
            let known = (INSTRUCTIONS.to_owned(), of_instructions(said));
            assert_eq!(
                (told.kind, &told.definitions[..]),
                (DefinitionKind::Instructions, &[known][..])
            );
        }
        for result in [
            r#"{"instructions":"a","instructions":"b"}"#,
            r#"{"instructions":"a","Instructions":"b"}"#,
            r#"{"instruction\u017f":"a"}"#,
        ] {
            let found = filtered(result, result, &Said::showing(Shows::Itself));
            assert!(found.is_err(), "{result}");
        }
    }

    #[test]
    fn a_list_of_prompts_is_left_alone_where_all_of_it_may_be_shown() {
        let list = r#"{"prompts":[ {"name":"a" , "x":1.0}],"cacheScope":"public"}"#;
        let shown = |shows| filtered(list, list, &Said::showing(shows)).unwrap();
        assert_eq!(shown(Shows::Itself), None);
        assert_eq!(
            shown(Shows::Nothing).as_deref(),
            Some(r#"{"prompts":[],"cacheScope":"private"}"#)
        );
        let twice = r#"{"prompts":[{"name":"a"},{"name":"b","name":"c"}]}"#;
        let found = filtered(twice, twice, &Said::showing(Shows::Itself)).unwrap();
        assert_eq!(found.as_deref(), Some(r#"{"prompts":[{"name":"a"}]}"#));
        for none in [r#"{"prompts":5}"#, r#"{"Prompts":[]}"#] {
            assert!(filtered(none, none, &Said::showing(Shows::Itself)).is_err());
        }
    }

    #[test]
    fn what_an_action_gives_is_content_whatever_its_members_are_called() {
        let content = r#"{"content":[],"prompts":5,"Instructions":"a","instructions":"b"}"#;
        let lists = Said {
            is_content: true,
            ..Said::showing(Shows::Nothing)
        };
        assert_eq!(filtered(content, content, &lists).unwrap(), None);
        assert!(lists.told.lock().unwrap().is_empty());
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
