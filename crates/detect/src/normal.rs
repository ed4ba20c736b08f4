//! Undoes cheap disguises before looking: characters nobody sees are dropped, full-width letters and digits, odd blanks and odd
//! dashes become plain ones. Each character is treated alone, so any chunking gives the same text.

use std::borrow::Cow;

/// The text as detectors see it; borrowed unless something changed.
pub(crate) fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let Some((at, _)) = text.char_indices().find(|&(_, c)| plain(c) != Some(c)) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..at]);
    out.extend(text[at..].chars().filter_map(plain));
    Cow::Owned(out)
}

/// What a character stands for; none when it is invisible.
const fn plain(character: char) -> Option<char> {
    match character {
        // soft hyphen, grapheme joiner, Arabic letter mark, Hangul and Mongolian fillers, zero-width and direction marks,
        // invisible operators, variation selectors, byte order mark, tag characters
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e01ef}' => None,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Some('-'),
        // full-width forms lie at a fixed distance from ASCII
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0),
        // Arabic-Indic, extended Arabic-Indic and Devanagari digits
        '\u{660}'..='\u{669}' => char::from_digit(character as u32 - 0x660, 10),
        '\u{6f0}'..='\u{6f9}' => char::from_digit(character as u32 - 0x6f0, 10),
        '\u{966}'..='\u{96f}' => char::from_digit(character as u32 - 0x966, 10),
        // mathematical digits, five styles of ten
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_digit((character as u32 - 0x1d7ce) % 10, 10),
        _ => Some(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn disguises_are_undone() {
        for (text, expected) in [
            ("s\u{200b}k-ant", "sk-ant"),
            ("\u{feff}AKIA\u{ad}X", "AKIAX"),
            ("４１１１ ＡＢ－ｃ", "4111 AB-c"),
            ("4111\u{a0}1111\u{2013}1", "4111 1111-1"),
            ("٤١١١ ۴१𝟎𝟗", "4111 4109"),
            ("a\u{e0041}b", "ab"),
            ("grüße 世界", "grüße 世界"),
        ] {
            assert_eq!(normalise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(normalise("plain"), Cow::Borrowed(_)));
        assert!(matches!(normalise("grüße 世界"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn parts_normalise_to_the_parts_of_the_whole(a in any::<String>(), b in any::<String>()) {
            let parts = format!("{}{}", normalise(&a), normalise(&b));
            prop_assert_eq!(normalise(&format!("{a}{b}")).into_owned(), parts);
        }
    }
}
