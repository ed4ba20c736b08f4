//! What actions, prompts and resources are called in the list of all connectors, and the way back. A name says which connector: what
//! stands before its first underscore is the connector's prefix, which has none. It is the same on every replica and after every start,
//! for nothing is remembered. Pure; decision record 0021 says why it is so.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use domain::limits;
use domain::policy::Connector;

/// Hexadecimal digits of a hash, which make an alias.
const HASH_CHARS: usize = 12;

/// What an action or a prompt is called. One whose name would be too long, has letters that some clients change, or looks like an
/// alias is called by an alias.
pub fn listed(connector: &Connector, own: &str) -> String {
    let prefix = connector.prefix();
    let plain = format!("{prefix}_{own}");
    if plain.len() <= limits::LISTED_NAME_BYTES_MAX && own.chars().all(is_kept) && !is_alias(own) {
        return plain;
    }
    let room = limits::LISTED_NAME_BYTES_MAX.saturating_sub(prefix.len() + HASH_CHARS + 2);
    let letters = own.chars().map(|letter| match letter {
        letter if is_kept(letter) => letter,
        _ => '_',
    });
    let begins: String = letters.take(room).collect();
    format!("{prefix}_{begins}_{}", hash(&connector.name, own))
}

/// Letters that every client keeps as they are.
fn is_kept(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

/// Whether what stands behind a prefix has the form of an alias. No name that is one's own has it.
pub fn is_alias(rest: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    rest.len() > HASH_CHARS
        && rest.as_bytes()[rest.len() - HASH_CHARS - 1] == b'_'
        && rest.as_bytes()[rest.len() - HASH_CHARS..]
            .iter()
            .all(is_digit)
}

fn hash(connector: &str, own: &str) -> String {
    use std::fmt::Write as _;
    let hash = digest(&SHA256, format!("{connector}\0{own}").as_bytes());
    let mut text = String::new();
    for byte in &hash.as_ref()[..HASH_CHARS / 2] {
        let _never_fails = write!(text, "{byte:02x}");
    }
    text
}

/// The prefix of a name, and what stands behind it.
pub fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once('_')
}

/// The one connector of a prefix. Where a policy that was not checked has two of them, there is none.
pub fn at_prefix<'c>(
    connectors: impl Iterator<Item = &'c Arc<Connector>>,
    prefix: &str,
) -> Option<&'c Arc<Connector>> {
    let mut found = connectors.filter(|connector| connector.prefix() == prefix);
    let (first, second) = (found.next(), found.next());
    first.filter(|_| second.is_none())
}

/// The one name, of those that there are, which is called so; none where two would be.
pub fn named<'n>(
    connector: &Connector,
    name: &str,
    own: impl Iterator<Item = &'n str>,
) -> Option<&'n str> {
    let mut found = own.filter(|own| listed(connector, own) == name);
    let (first, second) = (found.next(), found.next());
    first.filter(|_| second.is_none())
}

/// The address of a resource, or the template of some: its own, with the prefix before its scheme.
pub fn listed_uri(connector: &Connector, own: &str) -> String {
    format!("{}+{own}", connector.prefix())
}

/// The prefix of an address, and the connector's own.
pub fn split_uri(uri: &str) -> Option<(&str, &str)> {
    uri.split_once('+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn connectors(names: &[(&str, &str)]) -> Vec<Arc<Connector>> {
        let text = names.iter().map(|(name, prefix)| {
            let prefix = match *prefix {
                "" => String::new(),
                prefix => format!("prefix = \"{prefix}\"\n"),
            };
            format!("[[connector]]\nname = \"{name}\"\nurl = \"https://{name}.example/\"\n{prefix}")
        });
        let text: String = text.collect();
        let policy = domain::Policy::parse(1, &text).unwrap();
        let connectors = policy.document().connector.iter().cloned();
        connectors.map(Arc::new).collect()
    }

    #[test]
    fn no_two_actions_are_called_the_same_and_each_name_leads_back() {
        let connectors = connectors(&[
            ("a", ""),
            ("a-b", ""),
            ("tasks", "t"),
            ("tasks-of-everybody-else", ""),
        ]);
        let long = "x".repeat(90);
        let longer = "x".repeat(91);
        let alias = listed(&connectors[0], &long);
        let rest = split(&alias).unwrap().1.to_owned();
        let own = [
            "x",
            "b_x",
            "_x",
            "__",
            "get.item",
            "get_item",
            "Get_item",
            "deadbeef0123",
            "get_deadbeef0123",
            &*long,
            &*longer,
            &*rest,
            "größe",
        ];
        let mut all = BTreeMap::new();
        for connector in &connectors {
            for own in own {
                let name = listed(connector, own);
                assert!(name.len() <= limits::LISTED_NAME_BYTES_MAX, "{name}");
                assert!(name.chars().all(is_kept), "{name}");
                let (prefix, rest) = split(&name).unwrap();
                let back = at_prefix(connectors.iter(), prefix).unwrap();
                assert_eq!(back.name, connector.name, "{name}");
                assert!(rest == own || is_alias(rest), "{name}");
                assert_eq!(all.insert(name.clone(), own), None, "{name}");
                assert_eq!(named(back, &name, own_of(&[own])), Some(own));
            }
        }
        assert_eq!(listed(&connectors[0], "b_x"), "a_b_x");
        assert_eq!(listed(&connectors[2], "get_item"), "t_get_item");
    }

    fn own_of<'n>(names: &'n [&'n str]) -> impl Iterator<Item = &'n str> {
        names.iter().copied()
    }

    #[test]
    fn an_alias_is_the_same_for_good_and_of_two_alike_there_is_none() {
        let connector = &connectors(&[("tasks", "")])[0];
        let long = "get_everything_that_was_ever_said_of_a_member";
        let name = listed(connector, long);
        assert_eq!(name, "tasks_get_everything_that_w_690c6a314f67");
        assert_eq!(
            named(connector, &name, own_of(&["get_item", long])),
            Some(long)
        );
        assert_eq!(named(connector, &name, own_of(&[long, long])), None);
        assert_eq!(named(connector, &name, own_of(&["get_item"])), None);
    }

    #[test]
    fn an_address_has_the_prefix_before_its_scheme() {
        let connector = &connectors(&[("tasks", "t-1")])[0];
        let uri = listed_uri(connector, "c++://x");
        assert_eq!(uri, "t-1+c++://x");
        assert_eq!(split_uri(&uri), Some(("t-1", "c++://x")));
        assert_eq!(split_uri("file:///x"), None);
    }
}
