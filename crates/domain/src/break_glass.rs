//! The code of the break-glass account: written on paper once, typed once. Enough random bits that nobody guesses it, in letters and digits
//! that nobody confuses. Only its hash is stored. Made by `control`, compared by the sign-in.

use secrecy::SecretString;

use crate::Ids;
use crate::opaque::{hex, sha256};

/// The issuer and the beginning of the stable id of the account, in the list of people.
pub const STABLE_ID: &str = "break-glass";
/// Without I, O, 0 and 1.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// 160 random bits.
const CHARS: usize = 32;
const GROUP: usize = 4;

/// A new code, in groups of four.
pub fn mint(ids: &dyn Ids) -> SecretString {
    let mut bytes = [0u8; CHARS];
    ids.fill(&mut bytes);
    let mut text = String::with_capacity(CHARS + CHARS / GROUP);
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place.is_multiple_of(GROUP) {
            text.push('-');
        }
        // 256 is a multiple of 32: every sign is as likely as any other.
        text.push(char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    }
    SecretString::from(text)
}

/// How a code stands in the store, however it was typed; none for what is no code.
pub fn hash(typed: &str) -> Option<String> {
    let plain: String = typed
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| letter.to_ascii_uppercase())
        .take(CHARS + 1)
        .collect();
    let is_code = plain.len() == CHARS && plain.bytes().all(|letter| ALPHABET.contains(&letter));
    is_code.then(|| hex(&sha256(format!("doorward break-glass\n{plain}").as_bytes())))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[derive(Debug)]
    struct Counting;

    impl Ids for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (place, byte) in (0..).zip(bytes) {
                *byte = place;
            }
        }
    }

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let code = mint(&Counting);
        let code = code.expose_secret();
        assert_eq!(code, "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ-2345-6789");
        let wanted = hash(code).unwrap();
        for typed in [
            code.to_lowercase(),
            code.replace('-', " "),
            format!("  {} ", code.replace('-', "")),
        ] {
            assert_eq!(hash(&typed).as_ref(), Some(&wanted), "{typed}");
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        let code = "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ-2345-6789";
        let longer = format!("{code}A");
        for typed in [
            "",
            "ABCD",
            &longer,
            &code.replace('A', "0"),
            &code.replace('A', "Ä"),
            &"-".repeat(1_000_000),
        ] {
            assert_eq!(hash(typed), None);
        }
    }
}
