//! How much an action can do: the curated entry of the shipped catalogue, then what an administrator said, then the connector's own
//! annotations, where it is trusted, then the verbs in its name. What is known to nobody counts as destructive.
//!
//! Annotations are a stranger's word: they never make an action less than its name says, and what they admit against themselves is
//! believed of anyone. Called by the connectors' door when it notes what was listed.

use domain::connectors::ActionClass;
use domain::words::UnknownWord;
use serde_json::Value;

use crate::definition::Definition;

/// What is known of an action beside its definition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// The class in the shipped catalogue.
    pub curated: Option<ActionClass>,
    /// What an administrator said.
    pub said: Option<ActionClass>,
    /// Whether the connector's annotations are trusted.
    pub trusts_annotations: bool,
}

/// By what a class was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The shipped catalogue.
    Catalogue,
    /// An administrator.
    Said,
    /// The connector's own annotations.
    Annotations,
    /// Verbs in its name.
    Name,
    /// Nothing: it counts as destructive.
    Nothing,
}

impl Basis {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Catalogue, "catalogue"),
        (Self::Said, "administrator"),
        (Self::Annotations, "annotations"),
        (Self::Name, "name"),
        (Self::Nothing, "nothing"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(basis, _)| *basis == self);
        found.map_or("nothing", |(_, word)| word)
    }
}

impl std::str::FromStr for Basis {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|(_, known)| *known == word);
        found
            .map(|(basis, _)| basis)
            .ok_or(UnknownWord("basis of a class"))
    }
}

/// The class of an action, and by what it was found. An administrator may say anything, since they are asked and recorded; the curated
/// entry stands before them only where it is stricter.
pub fn classify(definition: &Definition, known: Known) -> (ActionClass, Basis) {
    if let Some(said) = known.said {
        return match known.curated {
            Some(curated) if curated > said => (curated, Basis::Catalogue),
            _ => (said, Basis::Said),
        };
    }
    if let Some(curated) = known.curated {
        return (curated, Basis::Catalogue);
    }
    let by_name = by_verbs(definition.name());
    let hint = |name: &str| {
        let annotations = definition.annotations()?;
        annotations.get(name).and_then(Value::as_bool)
    };
    if hint("destructiveHint") == Some(true) && hint("readOnlyHint") != Some(true) {
        let admitted = ActionClass::Destructive;
        return match by_name {
            Some(class) if class > admitted => (class, Basis::Name),
            _ => (admitted, Basis::Annotations),
        };
    }
    let annotated = match (hint("readOnlyHint"), hint("destructiveHint")) {
        _ if !known.trusts_annotations => None,
        (None, None) => None,
        (Some(true), _) => Some(ActionClass::Read),
        (_, Some(false)) => Some(ActionClass::Write),
        _ => Some(ActionClass::Destructive),
    };
    match (by_name, annotated) {
        (Some(name), Some(annotated)) if annotated > name => (annotated, Basis::Annotations),
        (Some(name), _) => (name, Basis::Name),
        (None, Some(annotated)) => (annotated, Basis::Annotations),
        (None, None) => (ActionClass::Destructive, Basis::Nothing),
    }
}

const READS: &[&str] = &[
    "get", "list", "search", "read", "fetch", "find", "query", "describe", "view", "show",
    "lookup", "count",
];
const WRITES: &[&str] = &[
    "create",
    "add",
    "update",
    "edit",
    "set",
    "move",
    "label",
    "comment",
    "write",
    "insert",
    "append",
    "copy",
    "duplicate",
    "rename",
    "upsert",
    "draft",
    "assign",
    "put",
    "patch",
    "save",
    "modify",
];
const DESTROYS: &[&str] = &[
    "delete",
    "remove",
    "archive",
    "purge",
    "merge",
    "send",
    "post",
    "share",
    "publish",
    "run",
    "transfer",
    "pay",
    "invite",
    "grant",
    "destroy",
    "drop",
    "reset",
    "revoke",
    "cancel",
    "close",
    "reassign",
    "push",
    "overwrite",
    "reply",
    "forward",
    "upload",
    "unshare",
    "disable",
    "deploy",
];
const EXECUTES: &[&str] = &[
    "execute", "exec", "eval", "invoke", "call", "shell", "bash", "script", "sql", "graphql",
    "command", "batch",
];

/// The strictest class that a word of the name stands for. A noun that is also a verb counts as the verb.
pub fn by_verbs(name: &str) -> Option<ActionClass> {
    let class = |word: &String| {
        let has = |verbs: &[&str]| verbs.contains(&word.as_str());
        if has(EXECUTES) {
            Some(ActionClass::Generic)
        } else if has(DESTROYS) {
            Some(ActionClass::Destructive)
        } else if has(WRITES) {
            Some(ActionClass::Write)
        } else if has(READS) {
            Some(ActionClass::Read)
        } else {
            None
        }
    };
    words(name).iter().filter_map(class).max()
}

/// The words of a name, small: `createJiraIssue`, `create_jira_issue` and `HTTPCreate-issue` are three each.
pub(crate) fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let humps = letter.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || (before.is_some_and(char::is_uppercase)
                    && after.is_some_and(|a| a.is_lowercase())));
        if humps || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            let word = words.last_mut().expect("there is one from the start");
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use ActionClass::{Destructive, Generic, Read, Write};
    use proptest::prelude::*;

    fn definition(name: &str, annotations: &str) -> Definition {
        let text = serde_json::to_string(name).unwrap();
        let text = format!("{{\"name\":{text},\"annotations\":{annotations}}}");
        Definition::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_verbs_of_a_name_tell_and_the_strictest_counts() {
        for (name, expected) in [
            ("get_issue", Some(Read)),
            ("searchJiraIssuesUsingJql", Some(Read)),
            ("notion-update-page", Some(Write)),
            ("slack_send_message", Some(Destructive)),
            ("get_and_delete", Some(Destructive)),
            ("deleteItem", Some(Destructive)),
            ("DELETE_ITEM", Some(Destructive)),
            ("items.delete", Some(Destructive)),
            ("HTTPDelete", Some(Destructive)),
            ("run_sql", Some(Generic)),
            ("execute", Some(Generic)),
            ("getter", None),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(by_verbs(name), expected, "{name}");
        }
    }

    const READS_ONLY: &str = r#"{"readOnlyHint":true}"#;
    const ADDS: &str = r#"{"destructiveHint":false}"#;
    const ADMITS: &str = r#"{"destructiveHint":true}"#;

    fn check(name: &str, annotations: &str, known: Known, expected: (ActionClass, Basis)) {
        let found = classify(&definition(name, annotations), known);
        assert_eq!(found, expected, "{name} {annotations} {known:?}");
    }

    #[test]
    fn the_catalogue_and_an_administrator_stand_before_everything_and_the_stricter_counts() {
        let known = |curated, said| Known {
            curated,
            said,
            trusts_annotations: true,
        };
        for (curated, said, expected) in [
            (Some(Write), None, (Write, Basis::Catalogue)),
            (None, Some(Read), (Read, Basis::Said)),
            (
                Some(Destructive),
                Some(Read),
                (Destructive, Basis::Catalogue),
            ),
            (Some(Read), Some(Generic), (Generic, Basis::Said)),
        ] {
            check("merge", "{}", known(curated, said), expected);
        }
    }

    #[test]
    fn annotations_tell_where_they_are_trusted_and_the_name_does_not() {
        let says_nothing = r#"{"readOnlyHint":"yes"}"#;
        let writes = r#"{"readOnlyHint":false}"#;
        for (name, annotations, trusts_annotations, expected) in [
            ("frob", READS_ONLY, true, (Read, Basis::Annotations)),
            ("frob", ADDS, true, (Write, Basis::Annotations)),
            ("frob", "{}", true, (Destructive, Basis::Nothing)),
            ("frob", writes, true, (Destructive, Basis::Annotations)),
            ("frob", READS_ONLY, false, (Destructive, Basis::Nothing)),
            // but never make less of it
            ("delete_x", READS_ONLY, true, (Destructive, Basis::Name)),
            ("merge_x", ADDS, true, (Destructive, Basis::Name)),
            ("get_x", ADDS, true, (Write, Basis::Annotations)),
            ("get_x", "{}", true, (Read, Basis::Name)),
            // and what it admits is believed
            ("get_x", ADMITS, false, (Destructive, Basis::Annotations)),
            ("execute", ADMITS, false, (Generic, Basis::Name)),
            ("get_x", says_nothing, false, (Read, Basis::Name)),
        ] {
            let known = Known {
                trusts_annotations,
                ..Known::default()
            };
            check(name, annotations, known, expected);
        }
    }

    proptest! {
        #[test]
        fn annotations_never_make_less_of_a_name(
            name in "(get|create|delete|run|execute|frob)[_-](item|set|page)", read in any::<Option<bool>>(),
            destructive in any::<Option<bool>>(), trusts_annotations in any::<bool>(),
        ) {
            let annotations = serde_json::json!({"readOnlyHint": read, "destructiveHint": destructive});
            let known = Known { trusts_annotations, ..Known::default() };
            let (class, _) = classify(&definition(&name, &annotations.to_string()), known);
            if let Some(least) = by_verbs(&name) {
                prop_assert!(class >= least);
            }
        }
    }
}
