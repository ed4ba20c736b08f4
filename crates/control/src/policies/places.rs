//! Where things stand in a policy's text: the lines of an entry with the remark right above it, and the line of a mistake. Reads the text
//! as TOML does, so that no string that looks like a heading is taken for one. Changes nothing; [`super::edit`] does.

use std::collections::BTreeMap;
use std::ops::Range;

use domain::policy::{Document, UnreadablePolicy};
use toml_edit::{Document as Parsed, Item, Table, Value};

use crate::ControlError;

/// A list of a policy's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `[[grant]]`.
    Grant,
    /// `[[require]]`.
    Require,
    /// `[[limit]]`.
    Limit,
    /// `[[budget]]`.
    Budget,
    /// `[[inspect]]`.
    Inspect,
    /// `[[managed_settings]]`.
    ManagedSettings,
    /// `[[desktop_settings]]`.
    DesktopSettings,
    /// `[[connector]]`.
    Connector,
    /// `[[action]]`.
    Action,
}

impl Section {
    /// Every list, in the order in which a policy is read.
    pub const ALL: [Self; 9] = [
        Self::Grant,
        Self::Require,
        Self::Limit,
        Self::Budget,
        Self::Inspect,
        Self::ManagedSettings,
        Self::DesktopSettings,
        Self::Connector,
        Self::Action,
    ];

    /// Its word in the text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Require => "require",
            Self::Limit => "limit",
            Self::Budget => "budget",
            Self::Inspect => "inspect",
            Self::ManagedSettings => "managed_settings",
            Self::DesktopSettings => "desktop_settings",
            Self::Connector => "connector",
            Self::Action => "action",
        }
    }

    /// The list of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|section| section.as_str() == word)
    }
}

/// An entry in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its list.
    pub section: Section,
    /// Its number in the list, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its bytes, with the remark right above it.
    pub bytes: Range<usize>,
    /// The line of its heading, from 1.
    pub line: usize,
    /// Whether all of it stands in one piece.
    pub is_whole: bool,
}

/// Every entry that has a heading of its own, in the order of the text; nothing of a text that is no TOML.
pub fn entries(text: &str) -> Vec<Place> {
    let Ok(parsed) = Parsed::parse(text) else {
        return Vec::new();
    };
    let mut heads = heads(parsed.as_table());
    heads.sort_by_key(|head| head.start);
    let trailing = parsed.trailing().span();
    let end = trailing.map_or(text.len(), |span| span.start.min(text.len()));
    let lines = Lines::of(text);
    let mut found: Vec<Place> = Vec::new();
    let mut known: BTreeMap<(Section, usize), usize> = BTreeMap::new();
    for (at, head) in heads.iter().enumerate() {
        let next = heads.get(at + 1).map_or(end, |next| next.after_last);
        let Some(owner) = &head.owner else {
            continue;
        };
        let place = known.get(&(owner.section, owner.index));
        match place.and_then(|place| found.get_mut(*place)) {
            // A part of an entry right after what is known of it.
            Some(place) if place.bytes.end == head.after_last => place.bytes.end = next,
            Some(place) => place.is_whole = false,
            None => {
                known.insert((owner.section, owner.index), found.len());
                found.push(Place {
                    section: owner.section,
                    index: owner.index,
                    name: owner.name.clone(),
                    bytes: remark_start(text, head)..next,
                    line: lines.at(head.start),
                    is_whole: true,
                });
            }
        }
    }
    found
}

/// The entry of this name in a list.
pub fn entry(text: &str, section: Section, name: &str) -> Option<Place> {
    entries(text)
        .into_iter()
        .find(|place| place.section == section && place.name == name)
}

/// A heading.
struct Head {
    start: usize,
    /// Where what stands before it ends, less blank lines and remarks.
    after_last: usize,
    owner: Option<Owner>,
}

struct Owner {
    section: Section,
    index: usize,
    name: String,
}

fn heads(root: &Table) -> Vec<Head> {
    let mut found = Vec::new();
    for (key, item) in root {
        match (Section::of(key), item) {
            (Some(section), Item::ArrayOfTables(list)) => {
                for (index, table) in list.iter().enumerate() {
                    let name = table.get("name").and_then(Item::as_str);
                    let owner = || Owner {
                        section,
                        index,
                        name: name.unwrap_or_default().to_owned(),
                    };
                    of_table(table, &|| Some(owner()), &mut found);
                }
            }
            (_, item) => of_item(item, &|| None, &mut found),
        }
    }
    found
}

fn of_item(item: &Item, owner: &dyn Fn() -> Option<Owner>, found: &mut Vec<Head>) {
    match item {
        Item::Table(table) => of_table(table, owner, found),
        Item::ArrayOfTables(list) => list.iter().for_each(|table| of_table(table, owner, found)),
        Item::None | Item::Value(_) => {}
    }
}

fn of_table(table: &Table, owner: &dyn Fn() -> Option<Owner>, found: &mut Vec<Head>) {
    if let Some(span) = table
        .span()
        .filter(|_| !table.is_implicit() && !table.is_dotted())
    {
        let before = table.decor().prefix().and_then(toml_edit::RawString::span);
        found.push(Head {
            start: span.start,
            after_last: before.map_or(span.start, |before| before.start),
            owner: owner(),
        });
    }
    for (_, item) in table {
        of_item(item, owner, found);
    }
}

/// Where the remark right above a heading begins, or the line of the heading.
fn remark_start(text: &str, head: &Head) -> usize {
    let mut start = line_start(text, head.start);
    while start > head.after_last {
        let above = line_start(text, start - 1);
        if above < head.after_last || !text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the lines of a text end, so that each of thousands of things in it has its line without counting anew.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}

/// Something wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// A sentence.
    pub what: String,
}

/// What is wrong with this text, as planning or applying it said, each with its line; nothing where the error is about something else.
pub fn mistakes(text: &str, error: &ControlError) -> Vec<Mistake> {
    let read = Read::of(text);
    match error {
        ControlError::Policy(UnreadablePolicy::Invalid(invalid)) => invalid
            .iter()
            .map(|mistake| Mistake {
                line: read.line_of(&mistake.path),
                what: mistake.to_string(),
            })
            .collect(),
        ControlError::Policy(UnreadablePolicy::Format(whole)) => vec![unreadable(text, whole)],
        ControlError::Policy(UnreadablePolicy::TooLong) | ControlError::Yaml(_) => vec![Mistake {
            line: None,
            what: error.mistakes().pop().unwrap_or_else(|| error.to_string()),
        }],
        ControlError::Meaningless(sentences) => sentences
            .iter()
            .map(|sentence| Mistake {
                line: sentence
                    .split([' ', ':'])
                    .next()
                    .and_then(|path| read.line_of(path)),
                what: sentence.clone(),
            })
            .collect(),
        ControlError::Invalid(unusable) if unusable.field.starts_with("administration") => {
            vec![Mistake {
                line: read.line_of(unusable.field),
                what: unusable.to_string(),
            }]
        }
        _ => Vec::new(),
    }
}

/// The one mistake of a text that is no policy, in the reader's own words without the picture of the line.
fn unreadable(text: &str, whole: &str) -> Mistake {
    match toml::from_str::<Document>(text) {
        Err(error) => Mistake {
            line: error.span().map(|span| Lines::of(text).at(span.start)),
            what: error.message().replace('\n', " "),
        },
        Ok(_) => Mistake {
            line: None,
            what: whole.to_owned(),
        },
    }
}

/// A text that is read once, however many things in it are asked for.
struct Read<'t> {
    parsed: Option<Parsed<&'t str>>,
    lines: Lines,
}

impl<'t> Read<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            parsed: Parsed::parse(text).ok(),
            lines: Lines::of(text),
        }
    }

    /// The line of `budget[2].amount_usd`, or of the nearest thing around it that is there.
    fn line_of(&self, path: &str) -> Option<usize> {
        let mut item = self.parsed.as_ref()?.as_item();
        let mut at = None;
        for step in path.split('.') {
            let (key, index) = step.split_once('[').map_or((step, None), |(key, rest)| {
                (key, rest.trim_end_matches(']').parse::<usize>().ok())
            });
            let Some((found, span)) = member(item, key) else {
                break;
            };
            at = span.or(at);
            item = found;
            if let Some(index) = index {
                let span = match item {
                    Item::ArrayOfTables(list) => list.get(index).and_then(Table::span),
                    Item::Value(Value::Array(list)) => list.get(index).and_then(Value::span),
                    _ => None,
                };
                at = span.map(|span| span.start).or(at);
                match item.get(index) {
                    Some(inner) => item = inner,
                    None => break,
                }
            }
        }
        at.map(|at| self.lines.at(at))
    }
}

fn member<'i>(item: &'i Item, key: &str) -> Option<(&'i Item, Option<usize>)> {
    let table = item.as_table_like()?;
    let (name, found) = table.get_key_value(key)?;
    Some((found, name.span().map(|span| span.start)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Policy, limits};

    const TEXT: &str = "# all of it\n\n[[grant]]\nname = \"a\"\nmodels = [\"x\"]\n\n# --- part two ---\n\n# why b\n# and how\n[[require]]\nname = \"b\"\n[require.who]\ngroups = [\"g\"]\n\n[administration]\n# none\n[[grant]]\nname = \"c\"\nmodels = [\"\"\"\n[[limit]]\nname = \"no\"\n\"\"\"]\n# the end\n";

    #[test]
    fn an_entry_stands_where_its_heading_and_the_remark_above_it_do() {
        let found = entries(TEXT);
        let told: Vec<(Section, &str, usize)> = found
            .iter()
            .map(|place| (place.section, place.name.as_str(), place.line))
            .collect();
        assert_eq!(
            told,
            [
                (Section::Grant, "a", 3),
                (Section::Require, "b", 11),
                (Section::Grant, "c", 18)
            ]
        );
        assert_eq!(
            &TEXT[found[0].bytes.clone()],
            "[[grant]]\nname = \"a\"\nmodels = [\"x\"]\n"
        );
        assert_eq!(
            &TEXT[found[1].bytes.clone()],
            "# why b\n# and how\n[[require]]\nname = \"b\"\n[require.who]\ngroups = [\"g\"]\n"
        );
        assert!(TEXT[found[2].bytes.clone()].starts_with("# none\n[[grant]]"));
        assert!(TEXT[found[2].bytes.clone()].ends_with("\"\"\"]\n"));
        assert!(found.iter().all(|place| place.is_whole));
    }

    #[test]
    fn the_longest_text_of_a_page_is_read_once_however_many_entries_and_mistakes_it_has() {
        let one = |number: usize| format!("[[grant]]\nname=\"{number}\"\n");
        let many = limits::POLICY_PAGE_BYTES_MAX / one(99_999).len();
        let text: String = (0..many).map(one).collect();
        let found = entries(&text);
        assert_eq!(found.len(), many);
        assert_eq!(found.last().unwrap().line, 2 * many - 1);
        let error = ControlError::from(Policy::parse(0, &text).unwrap_err());
        let found = mistakes(&text, &error);
        assert_eq!(found.len(), many);
        assert_eq!(found.last().unwrap().line, Some(2 * many - 1));
    }

    #[test]
    fn an_entry_in_pieces_is_known_as_one() {
        let text =
            "[[grant]]\nname = \"a\"\n[[limit]]\nname = \"l\"\n[grant.who]\ngroups = [\"g\"]\n";
        let found = entries(text);
        assert!(!found[0].is_whole && found[1].is_whole);
        assert!(entries("not = [toml").is_empty());
    }

    #[test]
    fn every_mistake_has_the_line_on_which_it_stands() {
        let check = |text: &str, expected: &[(Option<usize>, &str)]| {
            let error = ControlError::from(Policy::parse(0, text).unwrap_err());
            let found = mistakes(text, &error);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (mistake, (line, words)) in found.iter().zip(expected) {
                assert_eq!(mistake.line, *line, "{mistake:?}");
                assert!(mistake.what.contains(words), "{mistake:?}");
                assert!(!mistake.what.contains('\n'), "{mistake:?}");
            }
        };
        check(
            "[[grant]]\nname = \"a\"\nmodel = [\"x\"]\n",
            &[(Some(3), "model")],
        );
        check("[[grant]]\nname = \"a\n", &[(Some(2), "")]);
        check(
            "# x\n[[grant]]\nname = \"a\"\n\n[[budget]]\nname = \"b\"\nfor = \"person\"\namount_usd = \"-1\"\nperiod = \"daily\"\n",
            &[
                (Some(8), "below zero"),
                (Some(5), "who.people"),
                (Some(2), "grants and denies nothing"),
            ],
        );
        let meaningless = ControlError::Meaningless(vec![
            "administration.role[0].issuer = \"x\": none".to_owned(),
            "2 issuers vouch".to_owned(),
        ]);
        let text = "[[administration.role]]\nrole = \"admin\"\nissuer = \"x\"\n";
        let lines: Vec<Option<usize>> = mistakes(text, &meaningless)
            .into_iter()
            .map(|mistake| mistake.line)
            .collect();
        assert_eq!(lines, [Some(3), None]);
    }
}
