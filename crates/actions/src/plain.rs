//! Undoes disguises of text: what an upstream may read in it after decoding and tidying, which characters nobody sees, and which letters
//! look like others. Used by rules about arguments and by findings.

use domain::limits;
use unicode_normalization::UnicodeNormalization as _;

/// How often an upstream may plausibly decode one text.
const DECODINGS_MAX: usize = 3;

/// What a text may be read as.
#[derive(Debug)]
pub(crate) struct Readings {
    /// As it stands, and after each decoding; each also with its path tidied. Case is kept.
    pub(crate) exact: Vec<String>,
    /// The same in small letters, compatibility forms made plain and invisible characters dropped, in every way a path may be read.
    pub(crate) folded: Vec<String>,
    /// Whether these are all: nothing is still encoded, hidden or broken.
    pub(crate) is_certain: bool,
}

impl Readings {
    pub(crate) fn of(text: &str) -> Self {
        if text.len() > limits::ACTION_RULE_TEXT_BYTES_MAX {
            return Self {
                exact: Vec::new(),
                folded: Vec::new(),
                is_certain: false,
            };
        }
        let (levels, mut is_certain) = decoded(text);
        let (mut exact, mut folded) = (Vec::new(), Vec::new());
        for level in &levels {
            is_certain &= !level.chars().any(is_odd) && level.nfkc().eq(level.chars());
            add(&mut exact, level.clone());
            add(&mut exact, tidied(level));
            let plain = fold(level);
            for reading in [tidied(&plain), tidied(&without_parameters(&plain)), plain] {
                if !reading.starts_with('/') {
                    add(&mut folded, format!("/{reading}"));
                }
                add(&mut folded, reading);
            }
            if let Some((before, _)) = level.split_once('\0') {
                add(&mut folded, tidied(&fold(before)));
            }
        }
        Self {
            exact,
            folded,
            is_certain,
        }
    }
}

fn add(to: &mut Vec<String>, reading: String) {
    if !to.contains(&reading) {
        to.push(reading);
    }
}

/// The text and what decoding makes of it, and whether no more can come.
fn decoded(text: &str) -> (Vec<String>, bool) {
    let mut levels = vec![text.to_owned()];
    loop {
        let last = levels.last().map_or("", String::as_str);
        let Some(next) = percent_decoded(last) else {
            return (levels, false);
        };
        if next == last {
            return (levels, true);
        }
        if levels.len() > DECODINGS_MAX {
            return (levels, false);
        }
        levels.push(next);
    }
}

/// Every `%41` as its byte; `None` where the bytes are no text.
fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten();
        let byte = pair
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok()
}

/// A path without `.`, `..`, double or backward slashes. Whether it begins and ends with a slash stays.
pub(crate) fn tidied(path: &str) -> String {
    if !path.contains(['/', '\\', '.']) {
        return path.to_owned();
    }
    let path = path.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            kept => segments.push(kept),
        }
    }
    let start = if path.starts_with('/') { "/" } else { "" };
    let is_folder = path.ends_with(['/']) || path.ends_with("/.") || path.ends_with("/..");
    let end = if is_folder && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("{start}{}{end}", segments.join("/"))
}

/// Each segment up to its first semicolon.
fn without_parameters(path: &str) -> String {
    let cut = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    path.split('/').map(cut).collect::<Vec<_>>().join("/")
}

/// Small letters, compatibility forms made plain, nothing invisible, no blanks around.
pub(crate) fn fold(text: &str) -> String {
    let visible = text.chars().filter(|&c| !is_hidden(c) && !is_bidi(c));
    let plain: String = visible.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    plain.trim().to_owned()
}

/// What stands in no honest argument: invisible, or a control character but a blank.
fn is_odd(character: char) -> bool {
    is_hidden(character)
        || is_bidi(character)
        || (character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

/// Whether nobody sees it: zero width, fillers, tags, variation selectors that no emoji needs.
pub(crate) const fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether it turns the order in which text is shown.
pub(crate) const fn is_bidi(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a name looks like at a glance: names that look alike have the same.
pub(crate) fn look(name: &str) -> String {
    let plain: String = fold(name).chars().filter_map(looks_like).collect();
    plain
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
}

/// The one letter that stands for those that look like it; nothing for what only divides words.
const fn looks_like(letter: char) -> Option<char> {
    Some(match letter {
        '_' | '-' | '.' | '/' | ' ' | '\u{2010}'..='\u{2015}' => return None,
        '0' | 'о' | 'ο' | 'օ' => 'o',
        '1' | 'i' | '|' | '!' | 'і' | 'ι' | 'ı' | 'ӏ' => 'l',
        '5' | 'ѕ' => 's',
        'а' | 'α' | '4' | '@' => 'a',
        '3' | 'з' | 'е' | 'ε' => 'e',
        'р' | 'ρ' => 'p',
        'с' | 'ϲ' => 'c',
        'у' | 'γ' | 'υ' => 'y',
        'х' | 'χ' => 'x',
        'ԁ' => 'd',
        'һ' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'ո' | 'п' | 'η' => 'n',
        'т' | 'τ' | '7' => 't',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'в' | 'β' | '8' => 'b',
        'ɡ' | '9' => 'g',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_read_as_a_server_may_read_it() {
        for (text, reading) in [
            ("/users/../admin", "/admin"),
            ("/users/%2e%2e/admin", "/admin"),
            ("/users/%252e%252e/admin", "/admin"),
            ("/users/..%2fadmin", "/admin"),
            ("/users/..%5cadmin", "/admin"),
            ("\\users\\..\\admin", "/admin"),
            ("/x/..;/admin", "/admin"),
            ("//admin", "/admin"),
            ("/./admin", "/admin"),
            ("/ADMIN", "/admin"),
            ("/ad\u{200b}min", "/admin"),
            ("/ａｄｍｉｎ", "/admin"),
            ("admin", "/admin"),
            (" /admin ", "/admin"),
            ("/admin\0/x", "/admin"),
            ("/admin;v=1", "/admin"),
            ("/%61dmin", "/admin"),
        ] {
            let readings = Readings::of(text);
            assert!(
                readings.folded.iter().any(|r| r == reading),
                "{text:?}: {readings:?}"
            );
        }
    }

    #[test]
    fn what_may_still_hide_something_is_not_certain() {
        for (text, certain) in [
            ("/users/1", true),
            ("/users/grüße", true),
            ("two\nlines", true),
            ("100%", true),
            ("/%252525252e", false),
            ("/%ff", false),
            ("/a\u{200b}", false),
            ("/a\0", false),
            ("/\u{202e}a", false),
            ("/ａ", false),
            ("/e\u{301}", false),
        ] {
            assert_eq!(Readings::of(text).is_certain, certain, "{text:?}");
        }
        let long = "a".repeat(limits::ACTION_RULE_TEXT_BYTES_MAX + 1);
        assert!(!Readings::of(&long).is_certain);
    }

    #[test]
    fn a_tidied_path_keeps_its_ends() {
        for (path, expected) in [
            ("/a/b/", "/a/b/"),
            ("a//b", "a/b"),
            ("/a/./b/..", "/a/"),
            ("/../..", "/"),
            ("plain", "plain"),
            ("file.txt", "file.txt"),
        ] {
            assert_eq!(tidied(path), expected, "{path}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_look() {
        for (name, other) in [
            ("send_mail", "send-mail"),
            ("send_mail", "sendMail"),
            ("send_mail", "send_mall"),
            ("list_items", "Iist_items"),
            ("read_page", "rеad_page"),
            ("get_form", "get_forrn"),
            ("copy0", "copyo"),
        ] {
            assert_eq!(look(name), look(other), "{name} {other}");
        }
        assert_ne!(look("get_issue"), look("get_issues"));
    }

    proptest! {
        #[test]
        fn tidying_twice_changes_nothing(path in "[a-z./\\\\%2eF;]{0,24}") {
            let once = tidied(&path);
            prop_assert_eq!(tidied(&once), once);
        }

        #[test]
        fn folding_twice_changes_nothing(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
