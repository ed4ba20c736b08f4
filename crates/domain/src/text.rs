//! Texts that strangers wrote and others read: which characters do more than stand there, and a text without their effect. Names and
//! addresses pass here on their way in (`pipeline::identity`, `control::scim`) and again where a page shows them; what decides
//! anything, ids and groups, is never changed by it.

use std::borrow::Cow;

/// Whether a character does something to the text around it or hides: control characters, line and paragraph separators, the marks that
/// turn the direction of what follows (a name with U+202E reads backwards, and so does the line it stands in), annotations, tags, and what
/// takes no room (two names that differ by a U+200B look the same). The two that join and part letters stay: scripts need them.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text as others may see it: U+FFFD in the place of each such character, so that it is seen that there was one. Letters of any script
/// stay, and what joins them.
pub fn shown(text: &str) -> Cow<'_, str> {
    marked(text, is_hostile)
}

/// The same of a text of several lines: their ends stay, and tabs.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    marked(text, |character| {
        is_hostile(character) && !matches!(character, '\n' | '\t')
    })
}

fn marked(text: &str, is_unfit: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unfit) {
        return Cow::Borrowed(text);
    }
    let mark = |character| {
        if is_unfit(character) {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    text.chars().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(shown(text), expected, "{text:?}");
    }

    #[test]
    fn names_of_every_script_stay_as_they_are() {
        for name in [
            "Ada Lovelace",
            "Zoë Müller-Öz",
            "山田 太郎",
            "שרה כהן",
            "می\u{200c}خواهم",
            "👩\u{200d}🔬 Rosalind",
        ] {
            check(name, name);
        }
    }

    #[test]
    fn lines_stay_lines_and_nothing_else_works_in_them() {
        assert_eq!(shown_lines("a\n\tb"), "a\n\tb");
        assert_eq!(
            shown_lines("a\r\nb\u{1b}[2J\u{202e}"),
            "a\u{fffd}\nb\u{fffd}[2J\u{fffd}"
        );
    }

    #[test]
    fn what_turns_breaks_or_hides_text_is_seen_instead_of_working() {
        check("Ada\u{202e}ecalevoL", "Ada\u{fffd}ecalevoL");
        check("Ada\r\nis an owner", "Ada\u{fffd}\u{fffd}is an owner");
        check("\u{1b}[2JAda", "\u{fffd}[2JAda");
        check("A\u{2066}b\u{2069}\u{61c}", "A\u{fffd}b\u{fffd}\u{fffd}");
        check("Ada\u{200b}\u{2060}\u{3164}", "Ada\u{fffd}\u{fffd}\u{fffd}");
        check(
            "Ada\u{e0041}\u{feff}\u{2029}",
            "Ada\u{fffd}\u{fffd}\u{fffd}",
        );
    }

    proptest! {
        #[test]
        fn nothing_hostile_is_ever_shown_and_shown_twice_is_the_same(text in any::<String>()) {
            let once = shown(&text).into_owned();
            prop_assert!(!once.contains(is_hostile));
            prop_assert_eq!(once.chars().count(), text.chars().count());
            prop_assert_eq!(shown(&once).into_owned(), once);
        }
    }
}
